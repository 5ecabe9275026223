import { z } from 'zod'
import { jsonObjectSchema, timestampSchema } from '../names.ts'

/** Activity whose steps wait for an event. */
export const eventActivity = 'wait_for_event'

export const eventNameSchema = z
  .string()
  .regex(
    /^[A-Za-z0-9_][A-Za-z0-9._:-]{0,99}$/,
    'An event is named with 1 to 100 letters, digits, dots, colons, underscores or hyphens, such as payment.received',
  )

/** Correlation key: one line of at most 200 characters. */
export const eventKeySchema = z
  .string()
  .min(1)
  .max(200)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: refusing them is the point
  .regex(/^[^\u0000-\u001f\u007f\ud800-\udfff]*$/u, 'A key is one line of text, without control characters')

export const eventIdSchema = z
  .string()
  .regex(/^[\x21-\x7e]{1,200}$/, 'An event id has 1 to 200 visible ASCII characters without spaces, such as a UUID')

/** An event to send. */
export const newEventSchema = z
  .object({
    event: eventNameSchema.describe('Name of the event, as in the parameter `event` of the step that waits.'),
    key: eventKeySchema.describe('Correlation key, as in the parameter `key` of that step.'),
    payload: z.unknown().optional().describe('Any JSON value; the output `payload` of the step. Default: {}.'),
    id: eventIdSchema
      .optional()
      .describe(
        'Id of this event. The same id for the same event and key is delivered once. Default: a hash of the payload, so that equal payloads are one event.',
      ),
    keep_for_sec: z
      .number()
      .min(0)
      .optional()
      .describe(
        'Seconds that the event is kept while no run waits for it. Default and maximum: JETTY_EVENT_KEEP_SECONDS.',
      ),
  })
  .meta({ id: 'NewEvent' })

const takerSchema = z
  .object({ task: z.string(), trajectory_id: z.string(), step: z.string() })
  .meta({ id: 'EventTaker' })

/** A received event, without its payload. */
export const receivedEventSchema = z
  .object({
    number: z.int().describe('Position in the list.'),
    event: z.string().describe('Name of the event; of a callback, the step that it is for.'),
    key: z.string().describe('Correlation key; of a callback, the trajectory id of its run.'),
    callback: z.boolean().describe('Whether it came to the callback URL of a run.'),
    id: z.string(),
    state: z
      .enum(['kept', 'delivered', 'refused', 'expired'])
      .describe(
        '`kept`: no run waits for it yet. `delivered`: a step has taken it, or a hook starts a run for it. `refused`: its payload does not fit the output_schema of the step that wanted it. `expired`: no run waited in time.',
      ),
    reason: z.string().nullable().describe('Why it was refused.'),
    taken_by: takerSchema.nullable().describe('The step that took or refused it; null if only hooks did.'),
    bytes: z.int().describe('Size of the payload.'),
    sent_by: z.string().describe('`admin`, `api-key:<name>`, `callback`, or `hook:<scheme>`.'),
    received_at: timestampSchema,
    expires_at: timestampSchema.describe('Until then a run can take it.'),
  })
  .meta({ id: 'ReceivedEvent' })
export type ShownEvent = z.infer<typeof receivedEventSchema>

/** The answer to a sent event. */
export const sentEventSchema = receivedEventSchema
  .extend({ duplicate: z.boolean().describe('Whether the event was known already: the rest tells of the first one.') })
  .meta({ id: 'SentEvent' })

/** The answer to a call of a callback URL. It tells third parties no more than they need. */
export const callbackAnswerSchema = z
  .object({
    state: z
      .enum([...receivedEventSchema.shape.state.options, 'ignored'])
      .describe('As of an event. `ignored`: a webhook with a right signature that is for no run; `reason` says why.'),
    duplicate: z.boolean().describe('Whether the same call came before.'),
    reason: z.string().optional().describe('Why it was ignored.'),
    challenge: z.string().optional().describe('What Slack sent to try the URL.'),
  })
  .meta({ id: 'CallbackAnswer' })
export type CallbackAnswer = z.infer<typeof callbackAnswerSchema>

export const eventPageSchema = z
  .object({
    events: z.array(receivedEventSchema),
    next_cursor: z.string().nullable().describe('Pass as `cursor` to get the next page.'),
    has_more: z.boolean(),
  })
  .meta({ id: 'EventPage' })

/** A step that waits for an event. */
export const eventWaitSchema = z
  .object({
    trajectory_id: z.string(),
    task: z.string(),
    step: z.string(),
    event: z.string(),
    key: z.string(),
    output_schema: jsonObjectSchema.nullable().describe('What the payload has to fit; null: any.'),
    waits_since: timestampSchema,
    expires_at: timestampSchema.nullable().describe('null: never.'),
    url: z.string().describe("URL of the run's page."),
  })
  .meta({ id: 'EventWait' })
export type ShownEventWait = z.infer<typeof eventWaitSchema>

export const eventWaitPageSchema = z
  .object({
    waits: z.array(eventWaitSchema),
    next_cursor: z.string().nullable().describe('Pass as `cursor` to get the next page.'),
    has_more: z.boolean(),
  })
  .meta({ id: 'EventWaitPage' })
