import { z } from 'zod'
import { jsonObjectSchema, timestampSchema } from '../names.ts'
import { stepStatuses } from '../workflows/workflow.ts'

/** How far the child runs of a step are. */
export const stepProgressSchema = z
  .object({
    total: z.int().nullable().describe('Items of the step; null where its inputs do not say.'),
    begun: z.int(),
    ended: z.int(),
    completed: z.int(),
    failed: z.int(),
    cancelled: z.int(),
  })
  .meta({ id: 'StepProgress' })
export type StepProgress = z.infer<typeof stepProgressSchema>

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

/** The first difference between a replay and its recording. */
const divergenceSchema = z
  .object({
    step: z.string(),
    in: z
      .enum(['step', 'inputs', 'outputs', 'status', 'end'])
      .describe('What differs: the step or its place, its inputs, its outputs, its status, or the end of the run.'),
    message: z.string(),
    path: z.string().optional().describe('Path to the first value that differs.'),
    recorded: z.string().optional().describe('That value in the recording, as short JSON text.'),
    replayed: z.string().optional().describe('That value in the replay, as short JSON text.'),
    diff: z.string().optional().describe('Lines around the value as `diff -u` writes them, where both are text.'),
  })
  .meta({ id: 'Divergence' })
export type Divergence = z.infer<typeof divergenceSchema>

/** The error of a failed step, or of a run that was refused before its first step. */
export const errorRecordSchema = z
  .object({
    code: z.string().describe('One of the codes of the page on errors.'),
    message: z.string(),
    retryable: z.boolean(),
    hint: z.string().nullable().describe('What to do next.'),
    cause: z.string().nullable().describe('Message of the error behind it.'),
    divergence: divergenceSchema.optional().describe('Only with code `replay_diverged`.'),
  })
  .meta({ id: 'ErrorRecord' })
export type ErrorRecord = z.infer<typeof errorRecordSchema>

/** The task of a step; and, where the step was not executed in this run, the step its result was copied from. */
const stepOriginSchema = z
  .object({
    task: z.string(),
    task_version: z.string().describe('Hash of the workflow that the run executes.'),
    kind: z.enum(['rerun', 'replay', 'cache']).optional().describe('Absent: the step was executed in this run.'),
    trajectory_id: z.string().optional().describe('The run whose result was copied.'),
    step: z.string().optional().describe('The step of that run.'),
  })
  .meta({ id: 'StepOrigin' })

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
    attempt: z.int().describe('Number of the last attempt; 1 where the step was not retried.'),
    author: z.string(),
    recorded_by: z.string().nullable().describe('As of the run.'),
    origin: stepOriginSchema,
    inputs: jsonObjectSchema.describe('Resolved parameters; secrets are ***.'),
    outputs: jsonObjectSchema,
    depends_on: z.array(z.string()),
    config: jsonObjectSchema,
    progress: stepProgressSchema.optional().describe('Only of a running step that has started a run for each item.'),
    logs: z
      .array(stepLogSchema)
      .optional()
      .describe('Warnings and messages of the step; of a runbook also the last events of its agent.'),
    error_detail: errorRecordSchema.optional().describe('Only of a step with an error.'),
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
    progress: true,
    error_detail: true,
  })
  .meta({ id: 'StepSummary' })
export type StepSummary = z.infer<typeof stepSummarySchema>

/** What stands in the place of a value of more than 64 KiB. */
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
