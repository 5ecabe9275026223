import { z } from 'zod'
import { trialLeftSchema } from '../collections/trial.ts'
import { jsonObjectSchema, timestampSchema } from '../names.ts'
import { runStatuses } from '../workflows/workflow.ts'
import { errorRecordSchema } from './error-record.ts'
import { labelSchema } from './label.ts'
import { largeValueSchema, stepSchema, stepSummarySchema } from './step.ts'
import { callTokensSchema } from './step-usage.ts'

const status = z.enum(runStatuses)
const time = timestampSchema.nullable()

/** A step that waits for a person, and how to decide it. */
const waitingStepSchema = z
  .object({
    step: z.string(),
    message: z.string().describe('Question to decide, cut to 1,000 characters.'),
    since: timestampSchema,
    expires_at: time.describe('null: never.'),
    decide: z
      .string()
      .describe('Path that takes the decision, with a body such as `{"decision": "approve"}` or `"reject"`.'),
  })
  .meta({ id: 'WaitingStep' })
export type WaitingStep = z.infer<typeof waitingStepSchema>

/**
 * One run, recorded whole. The server builds its documents from this type, and the client, the command line and the
 * OpenAPI document take theirs from it: a field that is not declared here is not sent.
 */
export const trajectorySchema = z
  .object({
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
      .describe(
        "Steps that wait for a person's decision, while `status` is `running` or `pending`; null if none does.",
      ),
    runs_on: z
      .object({
        labels: z.array(z.string()),
        servers: z
          .int()
          .nullable()
          .describe('Processes that have them all now. 0: the run waits for one. null: the run has ended.'),
      })
      .optional()
      .describe('Labels that a server process must have to execute it; only of a run that asks for some.'),
    attributes: z.object({
      asset_type: z.string(),
      asset_filename: z.string(),
      created: timestampSchema,
      params: jsonObjectSchema.describe('Origin of the run, such as its parent; for an ingested run, its metadata.'),
    }),
    created: timestampSchema,
    updated: timestampSchema,
    started: time,
    ended: time,
    duration_seconds: z.number().nullable(),
    author: z.string().describe('Ingested runs only, as sent.'),
    recorded_by: z
      .string()
      .nullable()
      .describe(
        'Who started or ingested it, as authenticated: the author of a run started here, else `admin` or `api-key:<name> (key <id>)`. Null for runs ingested before the server noted it.',
      ),
    metadata_uri: z.string(),
    steps: z.record(z.string(), stepSchema).describe('Steps by name, in the order of execution.'),
    labels: z.array(labelSchema),
    total_steps: z.array(z.string()),
    completed_steps: z.array(z.string()),
    init_params: jsonObjectSchema,
    step_configs: jsonObjectSchema,
    error_detail: errorRecordSchema
      .nullable()
      .describe('Why the run was refused before its first step; null if it was not.'),
    org_id: z.string().nullable(),
    error: z.string().nullable(),
    triggered_by_routine_id: z.number().nullable(),
    webhook_url: z.string().nullable(),
    trial: trialLeftSchema.nullable().describe('What is left of the trial, for runs on lent keys; else null.'),
    url: z.string(),
    task_version: z.string().describe('Hash of the workflow that the run executes.'),
    version_number: z
      .int()
      .nullable()
      .optional()
      .describe(
        'The version of the task with this workflow, 0 for the oldest; null when it is gone. Left out of the answer to a start.',
      ),
    usage: callTokensSchema.nullable().describe('Tokens of the model calls of its steps; null when none is recorded.'),
    cost_usd: z
      .number()
      .nullable()
      .describe('What these calls cost in US dollars; null when there is none, or a price is unknown.'),
  })
  .meta({ id: 'Trajectory' })
export type Trajectory = z.infer<typeof trajectorySchema>

/** A run in a list for people: without inputs, outputs, `init_params` and configs. */
export const trajectorySummarySchema = trajectorySchema
  .omit({ init_params: true, step_configs: true })
  .extend({ steps: z.record(z.string(), stepSummarySchema) })
  .meta({ id: 'TrajectorySummary' })
export type TrajectorySummary = z.infer<typeof trajectorySummarySchema>

/** The summary of one run: with its `init_params`, as far as they are not large. */
export const runSummarySchema = trajectorySummarySchema
  .extend({
    init_params: z
      .union([largeValueSchema, jsonObjectSchema])
      .describe('A `LargeValue` when `large_values` is not empty.'),
    large_values: z.array(z.string()).describe('`/init_params` when they are over 64 KiB and come by reference.'),
  })
  .meta({ id: 'RunSummary' })
export type RunSummary = z.infer<typeof runSummarySchema>

/** How many runs a page by cursor looks at, at most, where an index alone does not decide. */
export const candidatesOfPage = 1000

export const trajectoryListSchema = z
  .object({
    trajectories: z.union([z.array(trajectorySchema), z.array(trajectorySummarySchema)]),
    total: z.int().optional().describe('Exact total; left out in pages read by cursor.'),
    page: z.int(),
    limit: z.int(),
    has_more: z.boolean(),
    next_cursor: z.string().nullable().optional().describe('Pass as `cursor` to get the next page.'),
  })
  .meta({ id: 'TrajectoryList' })

/** The answer to a run that was accepted. */
export const workflowResponseSchema = z
  .object({
    message: z.string(),
    workflow_id: z.string(),
    trajectory_id: z.string(),
    status,
    result: jsonObjectSchema,
    trajectory: trajectorySchema,
    metadata: z.string(),
    url: z.string(),
    trial: trialLeftSchema.optional().describe('Trial state; only for runs on lent keys.'),
  })
  .meta({ id: 'WorkflowResponse' })
export type WorkflowResponse = z.infer<typeof workflowResponseSchema>

/** The answer to a run that was waited for: its document, and the members of a `WorkflowResponse` beside it. */
export const endedRunSchema = trajectorySchema
  .extend({
    message: z.string(),
    result: jsonObjectSchema.describe('Outputs of the last executed step.'),
    metadata: z.string(),
    trajectory: trajectorySchema.describe('Same document as above.'),
  })
  .meta({ id: 'EndedRun' })
export type EndedRun = z.infer<typeof endedRunSchema>
