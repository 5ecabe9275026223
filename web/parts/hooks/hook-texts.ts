import type { Hook, HookDelivery } from '../../../src/model/hook.ts'

type Sender = Hook['sender']

export const senderNames: Record<Sender, string> = {
  github: 'GitHub',
  stripe: 'Stripe',
  slack: 'Slack',
  linear: 'Linear',
  generic: 'Another service',
  event: 'Events of the collection',
}

/** Where a service asks for the URL of a hook; undefined for one that nobody knows. */
export const urlPlaces: Partial<Record<Sender, string>> = {
  github: 'Settings › Webhooks, with the content type application/json',
  stripe: 'Developers › Webhooks',
  slack: 'Event Subscriptions › Request URL',
  linear: 'Settings › API › Webhooks',
}

/** Whether the service makes the signing secret, which it shows once it has the URL. */
export const makesSecret = (sender: Sender): boolean => ['stripe', 'slack', 'linear'].includes(sender)

/** What sends to a hook, within a sentence. */
export const senderOf = ({ sender, event }: Pick<Hook, 'sender' | 'event'>): string =>
  sender === 'event' ? `event ${event}` : senderNames[sender]

type DeliveryState = HookDelivery['state']

/** What became of a delivery that has started no run. */
export const stateTexts: Record<DeliveryState, string> = {
  waiting: 'Waits for its run',
  started: 'Started a run',
  filtered: 'Filtered',
  failed: 'Failed',
  disabled: 'Kept while the hook was paused',
  task_missing: 'Its task was deleted',
  paused: 'The collection was paused',
}

/** States of deliveries that can be delivered again together. */
type UnstartedState = Exclude<DeliveryState, 'waiting' | 'started'>

export const isUnstarted = (state: DeliveryState | undefined): state is UnstartedState =>
  state !== undefined && state !== 'waiting' && state !== 'started'

/** Keys of what pages ask for about the hooks of a collection. */
export const hookKeys = (collection: string, ...more: unknown[]) => ['hooks', collection, ...more]
