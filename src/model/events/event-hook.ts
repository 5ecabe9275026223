import { z } from 'zod'
import { eventNameSchema } from './event.ts'

/** Ways in which services sign the webhooks that they send. */
const webhookSchemes = ['github', 'slack', 'standard-webhooks', 'stripe'] as const
export type WebhookScheme = (typeof webhookSchemes)[number]

const longestPath = 200
const pathPattern = /^[^.\s]+(\.[^.\s]+)*$/

/** A URL at which a service delivers its webhooks as events of a collection. */
export const newEventHookSchema = z
  .object({
    scheme: z
      .enum(webhookSchemes)
      .describe('How the service signs its webhooks. `standard-webhooks`: with the headers `webhook-id` and so on.'),
    secret: z
      .string()
      .max(200)
      .regex(/^(env\.)?[A-Za-z_][A-Za-z0-9_]*$/, 'Expected the name of a variable, such as STRIPE_SIGNING_SECRET')
      .describe(
        'Variable of the collection that holds the signing secret. Each webhook is checked with its current value.',
      ),
    event: eventNameSchema.describe('Name of the events, as in the parameter `event` of the step that waits.'),
    key_path: z
      .string()
      .max(longestPath)
      .regex(pathPattern, 'Expected names with dots between them, such as data.object.metadata.order')
      .describe('Where the payload has the correlation key, such as `data.object.metadata.order`: a text or a number.'),
  })
  .meta({ id: 'NewEventHook' })

export const eventHookSchema = newEventHookSchema
  .extend({ url: z.string().describe('The URL to give to the service. The same hook always has the same URL.') })
  .meta({ id: 'EventHook' })

/** What the URL of a hook says. */
export interface EventHook {
  collectionId: number
  scheme: WebhookScheme
  /** Name of the variable. */
  secret: string
  event: string
  keyPath: string
}
