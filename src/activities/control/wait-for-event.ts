import { z } from 'zod'
import { AppError } from '../../lib/errors.ts'
import { schemaParameter } from '../../lib/json-schema/schema-parameter.ts'
import { timestamp, timestampOrNull } from '../../lib/time.ts'
import { type AwaitedEvent, WaitForEvent } from '../../model/events/awaited-event.ts'
import { eventActivity, eventKeySchema, eventNameSchema } from '../../model/events/event.ts'
import { momentSchema } from '../../model/names.ts'
import { activity } from '../activity.ts'

const secondsInYear = 365 * 24 * 3600

/** Waits for an HTTP call from outside. The run leaves memory meanwhile. */
export const waitForEvent = activity({
  name: eventActivity,
  category: 'control',
  structuredOutput: 'payload',
  alsoCalled: ['webhook', 'callback', 'wait_for_webhook', 'wait_for_signal', 'wait_for_callback', 'suspend'],
  description:
    'Waits until an event with a correlation key is sent, over the API or with `jetty events send`. An event that came ' +
    'before the step is kept for it, and the same event continues one run once. The wait survives restarts, uses no ' +
    'worker, and does not count towards the time limits of the step and the run.',
  parameters: z.object({
    event: eventNameSchema
      .optional()
      .describe('Name of the event, such as payment.received. Default: the name of the step.')
      .meta({ aliases: ['event_name', 'signal'] }),
    key: z
      .union([eventKeySchema, z.number()])
      .transform(String)
      .optional()
      .describe(
        'Correlation key: what sender and run both know, such as an order number. Default: the trajectory id of the run.',
      )
      .meta({ aliases: ['correlation_key', 'correlation_id'] }),
    output_schema: schemaParameter
      .optional()
      .describe('JSON Schema that the payload has to fit. Its sender gets a 422 otherwise, and the step waits on.')
      .meta({ aliases: ['payload_schema', 'json_schema'], input: 'json', language: 'json-schema' }),
    expires_in_sec: z
      .number()
      .min(0)
      .max(10 * secondsInYear)
      .optional()
      .describe('Seconds after which the step stops waiting. Without it and `expires_at` it waits forever.'),
    expires_at: momentSchema
      .optional()
      .describe('The time at which it stops waiting, such as 2026-11-25T08:30:00Z; if both are set, the earlier one.'),
    on_timeout: z
      .enum(['fail', 'continue'])
      .default('fail')
      .describe('What follows if no event comes in time: `continue` completes the step with `timed_out: true`.'),
  }),
  outputs: z.object({
    payload: z.unknown().describe('The payload of the event; null if none came in time.'),
    event: z.string().describe('Name of the event.'),
    key: z.string().describe('Its correlation key.'),
    id: z.string().nullable().describe('Id of the event, as its sender chose it, or a hash of the payload.'),
    sent_by: z.string().nullable().describe('`admin`, `api-key:<name>`, `callback`, or `hook:<scheme>`.'),
    received_at: z.string().nullable().describe('When the server received it, as ISO 8601 in UTC.'),
    timed_out: z.boolean().describe('Whether no event came in time.'),
  }),
  waits: true,
  example: {
    activity: 'wait_for_event',
    event: 'payment.received',
    key_path: 'init_params.order_number',
    output_schema: { type: 'object', properties: { amount: { type: 'number' } }, required: ['amount'] },
    expires_in_sec: 604_800,
  },
  gotchas: [
    'An event goes to one step: the one that has waited longest for its name and key. For several runs send several events with ids of their own.',
    'Events without an `id` are told apart by their payload: a second event with an equal payload needs an `id`.',
    'The time until the wait expires counts from the first start of the step.',
  ],
  literal: ['output_schema'],
  async run(given, context) {
    const expiresAt = expiryOf(given, context.step.started)
    const awaited = await context.event(expiresAt)
    if (!awaited) {
      const { event = null, key = null, output_schema: schema = null } = given
      return new WaitForEvent({ event, key, schema, expiresAt })
    }
    if (awaited.id === null && given.on_timeout === 'fail') throw timedOut(awaited)
    const { event, key, id, payload, sent_by, received_at } = awaited
    return { payload, event, key, id, sent_by, received_at: timestampOrNull(received_at), timed_out: id === null }
  },
})

const timedOut = ({ event, key, ended_at }: AwaitedEvent): AppError =>
  new AppError('timed_out', `Event '${event}' with key '${key}' did not come by ${timestamp(ended_at)}`, {
    hint: 'Rerun the run from this step with more time (expires_in_sec), or set on_timeout to continue.',
  })

interface Limits {
  expires_in_sec?: number | undefined
  expires_at?: number | undefined
}

const expiryOf = ({ expires_in_sec, expires_at }: Limits, started: Date): Date | null => {
  const after = expires_in_sec === undefined ? [] : [started.getTime() + expires_in_sec * 1000]
  const ends = [...after, ...(expires_at === undefined ? [] : [expires_at])]
  return ends.length === 0 ? null : new Date(Math.min(...ends))
}
