import { z } from 'zod'
import { jsonObjectSchema, timestampSchema } from '../names.ts'
import { stepStatuses } from '../workflows/workflow.ts'
import { errorRecordSchema } from './error-record.ts'
import { stepAttemptSchema } from './step-attempts.ts'
import { callTokensSchema } from './step-usage.ts'

/** How far the child runs of a step are. */
export const stepProgressSchema = z
  .object({
    total: z.int().nullable().describe('Number of items of the step; null if its inputs do not tell.'),
    begun: z.int(),
    ended: z.int(),
    completed: z.int(),
    failed: z.int(),
    cancelled: z.int(),
  })
  .meta({ id: 'StepProgress' })
export type StepProgress = z.infer<typeof stepProgressSchema>

/** A job of a worker, while its step waits for it. */
export const liveJobSchema = z
  .object({
    state: z.enum(['queued', 'leased']).describe('`queued`: it waits for a worker. `leased`: a worker has it.'),
    worker: z.string().nullable().describe('Name of the worker that has it.'),
    progress: z.number().nullable().describe('How much is done, from 0 to 1, as the worker said last.'),
    message: z.string().nullable().describe('What the worker said last that it is doing.'),
  })
  .meta({ id: 'LiveJob' })
export type LiveJob = z.infer<typeof liveJobSchema>

/** A batch of a provider that a step waits for. */
const liveBatchSchema = z
  .object({
    provider: z.string(),
    model: z.string(),
    batch_id: z.string().nullable().describe("The provider's id of the batch; null while calls are collected for it."),
    submitted: timestampSchema.nullable(),
    until: timestampSchema.describe('When its calls are sent at once if they have no answer.'),
    calls: z.int().describe('Calls of this step in it.'),
    requests: z.int().nullable().describe('All requests of the batch, those of other runs included.'),
    completed: z.int().nullable().describe('Requests that the provider had answered when it was asked last.'),
    failed: z.int().nullable(),
  })
  .meta({ id: 'LiveBatch' })
export type LiveBatch = z.infer<typeof liveBatchSchema>

/** A warning or message recorded with a step. */
export const stepLogSchema = z
  .object({
    timestamp: timestampSchema,
    level: z.enum(['debug', 'info', 'warning', 'error']),
    type: z.string(),
    message: z.string(),
    attributes: jsonObjectSchema,
  })
  .meta({ id: 'StepLog' })
export type StepLog = z.infer<typeof stepLogSchema>

/** The task of a step; and, where the step was not executed in this run, the step its result was copied from. */
const stepOriginSchema = z
  .object({
    task: z.string(),
    task_version: z.string().describe('Hash of the workflow that the run executes.'),
    kind: z
      .enum(['rerun', 'replay', 'cache'])
      .optional()
      .describe('Where the result was copied from; absent if the step was executed in this run.'),
    trajectory_id: z.string().optional().describe('The run whose result was copied.'),
    step: z.string().optional().describe('The step of that run.'),
  })
  .meta({ id: 'StepOrigin' })

/** The reason why a step waits. */
const stepWaitSchema = z
  .object({
    for: z
      .enum(['time', 'retry', 'approval', 'event', 'runs', 'sandbox', 'worker', 'batch'])
      .describe(
        'A time; the pause before its next attempt; a person; an event; the runs it has started; a place for a sandbox; a worker; a batch of a provider.',
      ),
    until: timestampSchema.nullable().describe('When it goes on at the latest; null where that is not known.'),
  })
  .meta({ id: 'StepWait' })

/** The span of another program that a step records. */
const stepSpanSchema = z
  .object({
    id: z.string().describe('Id of the span: 16 hexadecimal digits.'),
    parent: z.string().nullable().describe('Id of the span that it is part of; null for the root of its trace.'),
    name: z.string().describe('Its name; that of the step has a number where several have the same.'),
    kind: z.string().describe('What it is by the conventions that it follows; also the activity of the step.'),
    scope: z.string().describe('The library that made it.'),
    model: z.string().optional().describe('The model that it called; only of a model call that names it.'),
    cost_from: z
      .enum(['sender', 'prices', 'gateway'])
      .optional()
      .describe(
        'Who says what its model call cost: the program that sent it, the price list of this server, or the record of its gateway.',
      ),
    call: z
      .object({ task: z.string(), trajectory_id: z.string() })
      .optional()
      .describe('The record of the same call by the gateway. Tokens and cost are those that it has counted.'),
    differs: z
      .record(z.string(), z.object({ sent: z.number().nullable(), counted: z.number().nullable() }))
      .optional()
      .describe('What the program has sent otherwise than the gateway has counted, by more than 1 %.'),
    counted_elsewhere: z
      .literal(true)
      .optional()
      .describe('Another span records the same call, and counts its tokens and cost.'),
  })
  .meta({ id: 'StepSpan' })
export type StepSpan = z.infer<typeof stepSpanSchema>

/** One step of a run, as recorded. */
export const stepSchema = z
  .object({
    activity: z.string(),
    key: z.string().describe('Name of the step.'),
    status: z.enum(stepStatuses),
    error: z.string().nullable(),
    created: timestampSchema,
    ended: timestampSchema.nullable(),
    duration_seconds: z.number().nullable(),
    attempt: z.int().describe('Number of the last attempt, from 1.'),
    author: z.string(),
    recorded_by: z.string().nullable().describe("Same as the run's."),
    origin: stepOriginSchema,
    inputs: jsonObjectSchema.describe('Resolved parameters; secrets are shown as ***.'),
    outputs: jsonObjectSchema,
    depends_on: z.array(z.string()),
    decided_by: z
      .array(z.string())
      .optional()
      .describe('Branches that choose whether it executes; only of a step that a branch leads to.'),
    config: jsonObjectSchema,
    progress: stepProgressSchema
      .optional()
      .describe('Child runs of a step that fans out, while it is running. A summary has them afterwards, too.'),
    job: liveJobSchema.optional().describe('Only of a running step that a worker carries out.'),
    batches: z
      .array(liveBatchSchema)
      .optional()
      .describe('Batches of providers that a running step with `economy: "batch"` waits for.'),
    logs: z
      .array(stepLogSchema)
      .optional()
      .describe('Warnings and messages of the step; for a runbook also the last events of its agent.'),
    error_detail: errorRecordSchema.optional().describe('Details of the error; only for steps that have one.'),
    ready_at: timestampSchema
      .nullable()
      .describe(
        'When it could have begun: the steps before it had ended. Until `created` it waited for a slot. null: skipped, or ' +
          'carried over from another run.',
      ),
    wait: stepWaitSchema.optional().describe('Only of a running step that executes nothing and waits.'),
    usage: callTokensSchema
      .optional()
      .describe('Tokens of the model calls of all its attempts; only of a step that called a model itself.'),
    cost_usd: z.number().nullable().optional().describe('What they cost in US dollars; null when a price is unknown.'),
    span: stepSpanSchema.optional().describe('Only of a step that records a span of another program.'),
    attempts: z
      .array(stepAttemptSchema)
      .optional()
      .describe('Only of a step with several attempts: each of them, of very many the last 50.'),
  })
  .meta({ id: 'Step' })
export type Step = z.infer<typeof stepSchema>

/** A step in a summary: without its inputs, outputs, config, origin and messages. */
export const stepSummarySchema = stepSchema
  .pick({
    activity: true,
    key: true,
    status: true,
    error: true,
    created: true,
    ended: true,
    duration_seconds: true,
    attempt: true,
    depends_on: true,
    decided_by: true,
    progress: true,
    job: true,
    batches: true,
    error_detail: true,
    ready_at: true,
    wait: true,
    attempts: true,
    usage: true,
    cost_usd: true,
    span: true,
  })
  .meta({ id: 'StepSummary' })
export type StepSummary = z.infer<typeof stepSummarySchema>

/** The reference that replaces a value above 64 KiB. */
export const largeValueSchema = z
  .object({
    $large: z.object({
      bytes: z.int().describe('Length of its JSON text in UTF-8.'),
      type: z.enum(['string', 'array', 'object', 'number']),
      preview: z.string().describe('The beginning: of a string its text, of other values their JSON text.'),
      href: z.string().describe('Path of the call that returns the whole value as JSON.'),
    }),
  })
  .meta({ id: 'LargeValue' })
export type LargeValue = z.infer<typeof largeValueSchema>

const byReference =
  'A member over 64 KiB is replaced with a `LargeValue`; the whole object is if the rest is over 64 KiB as well.'

/** One step as its own answer: bounded in size. */
export const stepDetailSchema = stepSchema
  .extend({
    inputs: jsonObjectSchema.describe(`Resolved parameters; secrets are ***. ${byReference}`),
    outputs: jsonObjectSchema.describe(byReference),
    config: jsonObjectSchema.describe(byReference),
    origins: z
      .record(z.string(), z.string())
      .describe(
        'The expression that each parameter was read from, by parameter: a path, a text with `{{…}}`, or a list or object of ' +
          'them. A parameter with a literal or default value is left out.',
      ),
    large_values: z
      .array(z.string())
      .describe('JSON pointers to the values that are references, such as `/outputs/text`. Nothing else is one.'),
  })
  .meta({ id: 'StepDetail' })
export type StepDetail = z.infer<typeof stepDetailSchema>
