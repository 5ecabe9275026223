import { z } from 'zod'
import { eventNameSchema } from './events/event.ts'
import { jsonObjectSchema, limitSchema, numberCursorSchema, routineNameSchema, timestampSchema } from './names.ts'
import { runStatuses } from './workflows/workflow.ts'

/** Where deliveries come from: a service with a signature scheme of its own, or events of the collection. */
export const hookSenders = ['github', 'stripe', 'slack', 'linear', 'generic', 'event'] as const
export type HookSender = (typeof hookSenders)[number]

/** What became of a delivery. */
export const deliveryStates = [
  ...(['waiting', 'started', 'filtered', 'failed'] as const),
  ...(['disabled', 'task_missing', 'paused'] as const),
] as const
export type DeliveryState = (typeof deliveryStates)[number]

/** States of deliveries that started no run, which can be delivered again together. */
const unstartedStates = ['filtered', 'failed', 'disabled', 'task_missing', 'paused'] as const

/** Largest expression: as for the activity `transform`. */
const mostExpressionCharacters = 20_000

const expressionSchema = z
  .string()
  .trim()
  .min(1)
  .max(mostExpressionCharacters)
  .refine((text) => !text.includes('\0'), 'NUL is not allowed')
  .nullish()
  .transform((text) => text ?? null)

const headerSchema = z
  .string()
  .regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$/, 'Expected the name of a header, such as X-Signature')
  .nullish()
  .transform((name) => name?.toLowerCase() ?? null)

const inputText =
  'Its input is `{"payload", "event", "id", "sender", "received_at"}`, where `payload` is the body of the delivery.'

const settable = {
  task: z.string().min(1).max(200).describe('Name of the task that is run.'),
  filter: expressionSchema.describe(
    `JSONata expression that decides whether a delivery starts a run. ${inputText} Null: all do.`,
  ),
  mapping: expressionSchema.describe(
    `JSONata expression whose result, an object, becomes the \`init_params\` of the run. ${inputText} Null: \`{"payload", "event"}\`.`,
  ),
  signature_header: headerSchema.describe(
    'Only of sender `generic`: header with the HMAC-SHA256 of the body, in hex or base64, with or without `sha256=` before it. Null: Standard Webhooks.',
  ),
  delivery_header: headerSchema.describe(
    'Only with `signature_header`: header with the id of a delivery. Null: a hash of the body, so that equal bodies are one delivery.',
  ),
  secret: z
    .string()
    .min(1)
    .max(1000)
    .regex(/^[\x21-\x7e]+$/, 'A signing secret has visible ASCII characters without spaces')
    .describe('Signing secret; stored encrypted, never returned.'),
  disabled: z.boolean().describe('Whether deliveries are only kept. They can be delivered again later.'),
}

export const createHookSchema = z
  .object({
    ...settable,
    name: routineNameSchema.optional().describe('Unique in the collection. Default: `<task>-<sender>`.'),
    sender: z
      .enum(hookSenders)
      .describe('Whose signature scheme is checked. `generic`: Standard Webhooks. `event`: events of the collection.'),
    event: eventNameSchema
      .nullish()
      .transform((event) => event ?? null)
      .describe('Only of sender `event`: the name of the events that start runs.'),
    secret: settable.secret
      .optional()
      .describe(
        `${settable.secret.description} Default: for \`github\` and \`generic\` one is made, and returned once; the others make their own, which is set later.`,
      ),
    disabled: settable.disabled.default(false),
  })
  .meta({ id: 'CreateHook' })

/** Days that a former secret holds at most. */
const mostFormerSeconds = 30 * 86_400

/** Given members replace the stored ones; omitted ones stay. */
export const updateHookSchema = z
  .object({
    ...settable,
    keep_former_sec: z
      .int()
      .min(0)
      .max(mostFormerSeconds)
      .default(86_400)
      .describe('With `secret`: how long the former secret holds beside the new one.'),
  })
  .partial()
  .meta({ id: 'UpdateHook' })

export type CreateHook = z.output<typeof createHookSchema>
export type UpdateHook = z.output<typeof updateHookSchema>

export const hookSchema = z
  .object({
    name: z.string(),
    collection: z.string(),
    task: z.string(),
    task_exists: z
      .boolean()
      .describe('Whether the task is there: one that was deleted can be made anew under its name.'),
    sender: z.enum(hookSenders),
    event: z.string().nullable(),
    url: z.string().nullable().describe('What the sender posts to. It needs no key. Null for sender `event`.'),
    filter: z.string().nullable(),
    mapping: z.string().nullable(),
    signature_header: z.string().nullable(),
    delivery_header: z.string().nullable(),
    disabled: z.boolean(),
    has_secret: z.boolean(),
    former_secret_until: timestampSchema.nullable().describe('Until then the former secret holds, too.'),
    refused: z.int().describe('Requests that were refused because their signature did not hold.'),
    last_refused_at: timestampSchema.nullable(),
    last_refusal: z.string().nullable(),
    created_at: timestampSchema,
    updated_at: timestampSchema,
  })
  .meta({ id: 'Hook' })
export type Hook = z.output<typeof hookSchema>

/** A hook that was just made. */
export const createdHookSchema = hookSchema
  .extend({
    secret: z.string().nullable().describe('The secret, if the server made it: this is the only time it is shown.'),
  })
  .meta({ id: 'CreatedHook' })

export const hookDeliverySchema = z
  .object({
    number: z.int(),
    id: z.string().describe('As the sender gave it, else a hash of the body.'),
    event: z.string().nullable().describe('What the sender calls the kind of event, such as `push`.'),
    state: z
      .enum(deliveryStates)
      .describe(
        '`waiting`: for its run to start. `filtered`: by the filter. `failed`: `reason` says why. `disabled`, `task_missing`, `paused`: the hook was disabled, its task was deleted, or the collection was paused; deliver it again.',
      ),
    reason: z.string().nullable(),
    task: z.string().nullable().describe('Task of the run.'),
    trajectory_id: z.string().nullable().describe('The newest run that it started, unless that was deleted.'),
    status: z.enum(runStatuses).nullable().describe('The status of that run now.'),
    redelivered: z.int().describe('How often it was delivered again.'),
    bytes: z.int().describe('Size of the payload.'),
    next_attempt_at: timestampSchema.nullable().describe('While it waits.'),
    received_at: timestampSchema,
    settled_at: timestampSchema.nullable(),
  })
  .meta({ id: 'HookDelivery' })
export type HookDelivery = z.output<typeof hookDeliverySchema>

export const hookDeliveryPageSchema = z
  .object({
    deliveries: z.array(hookDeliverySchema),
    next_cursor: z.string().nullable().describe('Pass as `cursor` for the next page; null on the last one.'),
    has_more: z.boolean(),
  })
  .meta({ id: 'HookDeliveryPage' })

export const hookDeliveryQuery = z.object({
  state: z.enum(deliveryStates).optional().describe('Only deliveries in this state.'),
  limit: limitSchema,
  cursor: numberCursorSchema,
})

export const redeliverSchema = z
  .object({
    number: z.int().positive().optional().describe('The delivery. One that has started a run starts another.'),
    state: z
      .enum(unstartedStates)
      .optional()
      .describe('Instead of `number`: the oldest 1,000 deliveries in this state.'),
  })
  .meta({ id: 'Redeliver' })

export const testHookSchema = z
  .object({
    payload: z.unknown().optional().describe('The body of a delivery. Default: that of `delivery`.'),
    delivery: z.int().positive().optional().describe('Number of a delivery whose payload and event are taken.'),
    event: z.string().max(200).nullish().describe('What the sender would call the kind of event.'),
    filter: settable.filter.optional().describe('A filter to try, instead of that of the hook.'),
    mapping: settable.mapping.optional().describe('A mapping to try, instead of that of the hook.'),
  })
  .meta({ id: 'TestHook' })

export const hookTestSchema = z
  .object({
    passes: z.boolean().describe('Whether the filter lets it through.'),
    init_params: jsonObjectSchema.nullable().describe('What the run would get; null if it does not pass, or fails.'),
    problem: z.string().nullable().describe('Why filter or mapping failed.'),
  })
  .meta({ id: 'HookTest' })

/** The answer to a sender. It tells no more than a sender needs. */
export const receivedDeliverySchema = z
  .object({
    state: z.enum([...deliveryStates, 'ignored']).describe('`ignored`: it only tries the URL.'),
    delivery: z.int().nullable().describe('Its number.'),
    duplicate: z.boolean().describe('Whether it was received before: the rest tells of the first one.'),
    trajectory_id: z.string().nullable().describe('The run that it has started.'),
    challenge: z.string().optional().describe('What Slack sent to try the URL.'),
  })
  .meta({ id: 'ReceivedDelivery' })
export type ReceivedDelivery = z.output<typeof receivedDeliverySchema>
