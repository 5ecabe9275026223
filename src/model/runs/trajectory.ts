import { z } from 'zod'
import { trialLeftSchema } from '../collections/trial.ts'
import { jsonObjectSchema, timestampSchema } from '../names.ts'
import { runStatuses } from '../workflows/workflow.ts'
import { labelSchema } from './label.ts'

const status = z.enum(runStatuses)
const time = timestampSchema.nullable()

/** How far the runs are that a step has started and waits for. */
const stepProgressSchema = z
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

/** One executed step, as recorded. */
export const stepSchema = z
  .looseObject({
    activity: z.string(),
    key: z.string().describe('Name of the step.'),
    status: z.enum(['pending', 'running', 'completed', 'failed', 'skipped', 'cancelled']),
    error: z.string().nullable(),
    inputs: jsonObjectSchema.describe('Resolved parameters; secrets are ***.'),
    outputs: jsonObjectSchema,
    progress: stepProgressSchema.optional().describe('Only of a running step that has started a run for each item.'),
    depends_on: z.array(z.string()),
    created: timestampSchema,
    ended: time,
    duration_seconds: z.number().nullable(),
    author: z.string(),
    recorded_by: z.string().nullable().describe('As of the run.'),
    origin: jsonObjectSchema,
    config: jsonObjectSchema,
  })
  .meta({ id: 'Step' })

/** A step that waits for a person, and how to decide it. */
const waitingStepSchema = z
  .object({
    step: z.string(),
    message: z.string().describe('What is to be decided; its first 1,000 characters.'),
    since: timestampSchema,
    expires_at: time.describe('null: never.'),
    decide: z.string().describe('The call that decides it, with a body like `{"decision": "approve"}` or `"reject"`.'),
  })
  .meta({ id: 'WaitingStep' })
export type WaitingStep = z.infer<typeof waitingStepSchema>

/** One run, recorded whole. */
export const trajectorySchema = z
  .looseObject({
    name: z.string(),
    trajectory_id: z.string(),
    workflow_id: z.string(),
    collection: z.string(),
    task: z.string(),
    storage_path: z.string(),
    status,
    waiting: waitingStepSchema
      .array()
      .nullable()
      .describe('Steps that wait for a person to decide, while `status` is `running` or `pending`; null: none does.'),
    attributes: jsonObjectSchema,
    created: timestampSchema,
    updated: timestampSchema,
    started: time,
    ended: time,
    duration_seconds: z.number().nullable(),
    author: z.string().describe('Of an ingested run, as it was sent.'),
    recorded_by: z
      .string()
      .nullable()
      .describe(
        'Who started it or sent it in, as the server knows it: the author of a run that was started here, else `admin` or ' +
          '`api-key:<name> (key <id>)`. Null where it was sent in before the server noted that.',
      ),
    metadata_uri: z.string(),
    steps: z.record(z.string(), stepSchema).describe('By step name, in the order of execution.'),
    labels: z.array(labelSchema),
    total_steps: z.array(z.string()),
    completed_steps: z.array(z.string()),
    init_params: jsonObjectSchema,
    step_configs: jsonObjectSchema,
    org_id: z.string().nullable(),
    error: z.string().nullable(),
    error_detail: jsonObjectSchema
      .nullable()
      .optional()
      .describe('`code`, `message` and `hint` of a run that failed before its first step, as it cannot be served.'),
    triggered_by_routine_id: z.number().nullable(),
    webhook_url: z.string().nullable(),
    trial: trialLeftSchema.nullable().describe('In the answer of run-sync to a run on lent keys; else null.'),
    url: z.string(),
  })
  .meta({ id: 'Trajectory' })

const shortened = {
  inputs: true,
  outputs: true,
  progress: true,
  depends_on: true,
  author: true,
  recorded_by: true,
  origin: true,
  config: true,
} as const

/** A run as a list that people look at shows it: without inputs, outputs, `init_params` and configs. */
export const trajectorySummarySchema = trajectorySchema
  .omit({ init_params: true, step_configs: true })
  .extend({ steps: z.record(z.string(), stepSchema.omit(shortened).meta({ id: 'StepSummary' })) })
  .meta({ id: 'TrajectorySummary' })

/** How many runs a page by cursor looks at, at most, where an index alone does not decide. */
export const candidatesOfPage = 1000

export const trajectoryListSchema = z
  .object({
    trajectories: z.union([z.array(trajectorySchema), z.array(trajectorySummarySchema)]),
    total: z.int().optional().describe('Exact; left out by cursor.'),
    page: z.int(),
    limit: z.int(),
    has_more: z.boolean(),
    next_cursor: z.string().nullable().optional().describe('Pass it as `cursor` to get what comes after.'),
  })
  .meta({ id: 'TrajectoryList' })

export const logEventSchema = z
  .object({
    timestamp: timestampSchema,
    level: z.enum(['debug', 'info', 'warning', 'error']),
    type: z.string(),
    step: z.string().nullable(),
    activity: z.string().nullable(),
    message: z.string(),
    attributes: jsonObjectSchema,
  })
  .meta({ id: 'LogEvent' })

/** The answer to a run that was accepted. */
export const workflowResponseSchema = z
  .looseObject({
    message: z.string(),
    workflow_id: z.string(),
    trajectory_id: z.string(),
    status,
    result: jsonObjectSchema,
    trajectory: jsonObjectSchema,
    metadata: z.string(),
    url: z.string(),
    trial: trialLeftSchema.optional().describe('Only where the run uses lent keys.'),
  })
  .meta({ id: 'WorkflowResponse' })
