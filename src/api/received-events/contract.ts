import { z } from 'zod'
import { endpoint } from '../../http/endpoint.ts'
import {
  callbackAnswerSchema,
  eventPageSchema,
  eventWaitPageSchema,
  newEventSchema,
  sentEventSchema,
} from '../../model/events/event.ts'
import { eventHookSchema, newEventHookSchema } from '../../model/events/event-hook.ts'
import { limitSchema, numberCursorSchema } from '../../model/names.ts'

const tag = 'Events'

export const receivedEventsContract = {
  sendEvent: endpoint({
    method: 'POST',
    path: '/api/v1/events/{collection}',
    summary:
      'Send an event to the run that waits for its name and key, or keep it until a run does. The same event is delivered ' +
      'once, however often it is sent',
    tag,
    body: newEventSchema,
    isData: true,
    response: sentEventSchema,
    audited: false,
    errors: ['conflict', 'quota_exceeded'],
  }),
  createEventHook: endpoint({
    method: 'POST',
    path: '/api/v1/event-hooks/{collection}',
    summary:
      'Get the URL at which GitHub, Slack, Stripe or a service with standard webhooks delivers its webhooks as events. Nothing is stored: remove or change the variable to turn the URL off',
    tag,
    body: newEventHookSchema,
    response: eventHookSchema,
  }),
  sendCallback: endpoint({
    method: 'POST',
    path: '/api/v1/callbacks/{token}',
    summary:
      'Continue the step that gave this URL away, with the body as the payload, or deliver a webhook to a hook. The URL is signed, and needs no token. A call with the id or body of an earlier one changes nothing',
    tag,
    access: 'none',
    body: z.unknown(),
    isData: true,
    headers: {
      'Idempotency-Key': 'Id of the event; also taken from `webhook-id`. Default: a hash of the body.',
    },
    response: callbackAnswerSchema,
    errors: ['conflict', 'not_found', 'quota_exceeded'],
  }),
  listEvents: endpoint({
    method: 'GET',
    path: '/api/v1/events/{collection}',
    summary: 'List the events that a collection received, newest first: kept ones, and receipts of at least a day',
    tag,
    query: z.object({
      state: z.enum(['kept', 'delivered', 'refused', 'expired']).optional().describe('Only events in this state.'),
      limit: limitSchema,
      cursor: numberCursorSchema,
    }),
    response: eventPageSchema,
  }),
  discardEvent: endpoint({
    method: 'DELETE',
    path: '/api/v1/events/{collection}/{number}',
    summary: 'Discard an event that is kept because no run waits for it',
    tag,
    response: z.object({ ok: z.literal(true) }),
  }),
  listEventWaits: endpoint({
    method: 'GET',
    path: '/api/v1/event-waits/{collection}',
    summary: 'List the steps of a collection that wait for an event, the longest wait first',
    tag,
    query: z.object({ limit: limitSchema, cursor: numberCursorSchema }),
    response: eventWaitPageSchema,
  }),
}
