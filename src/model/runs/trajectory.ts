import { z } from 'zod'
import { trialLeftSchema } from '../collections/trial.ts'
import { jsonObjectSchema, timestampSchema } from '../names.ts'
import { runStatuses } from '../workflows/workflow.ts'
import { labelSchema } from './label.ts'

const status = z.enum(runStatuses)
const time = timestampSchema.nullable()

/** One executed step, as recorded. */
export const stepSchema = z
  .looseObject({
    activity: z.string(),
    key: z.string().describe('Name of the step.'),
    status: z.enum(['pending', 'running', 'completed', 'failed', 'skipped', 'cancelled']),
    error: z.string().nullable(),
    inputs: jsonObjectSchema.describe('Resolved parameters; secrets are ***.'),
    outputs: jsonObjectSchema,
    depends_on: z.array(z.string()),
    created: timestampSchema,
    ended: time,
    duration_seconds: z.number().nullable(),
    author: z.string(),
    origin: jsonObjectSchema,
    config: jsonObjectSchema,
  })
  .meta({ id: 'Step' })

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
    attributes: jsonObjectSchema,
    created: timestampSchema,
    updated: timestampSchema,
    started: time,
    ended: time,
    duration_seconds: z.number().nullable(),
    author: z.string(),
    metadata_uri: z.string(),
    steps: z.record(z.string(), stepSchema).describe('By step name, in the order of execution.'),
    labels: z.array(labelSchema),
    total_steps: z.array(z.string()),
    completed_steps: z.array(z.string()),
    init_params: jsonObjectSchema,
    step_configs: jsonObjectSchema,
    org_id: z.string().nullable(),
    error: z.string().nullable(),
    triggered_by_routine_id: z.number().nullable(),
    webhook_url: z.string().nullable(),
    trial: trialLeftSchema.nullable().describe('In the answer of run-sync to a run on lent keys; else null.'),
    url: z.string(),
  })
  .meta({ id: 'Trajectory' })

const shortened = { inputs: true, outputs: true, depends_on: true, author: true, origin: true, config: true } as const

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
