import { z } from 'zod'
import { jsonObjectSchema, taskNameSchema, textSchema, timestampSchema } from '../names.ts'
import { runTotalsSchema } from '../runs/run-totals.ts'
import { warningSchema } from '../warning.ts'

/** A workflow as stored: its sections have the right shape; their content is checked at a run. */
export const workflowSchema = z
  .looseObject({
    init_params: jsonObjectSchema,
    step_configs: jsonObjectSchema,
    steps: z.array(z.string()),
  })
  .partial()
  .meta({ id: 'Workflow' })

const shared = {
  id: z.int(),
  name: z.string(),
  entity_type: z.literal('task'),
  is_private: z.boolean().nullable(),
  croissant_metadata: jsonObjectSchema.nullable(),
  workflow: jsonObjectSchema.describe('Workflow as stored; the order of keys is kept.'),
  collection_id: z.int(),
  collection_name: z.string(),
  version: z.string().nullable(),
  description: z.string().nullable(),
  has_file_uploads: z.boolean(),
  is_chat_flow: z.boolean(),
  created_at: timestampSchema.nullable(),
  updated_at: timestampSchema.nullable(),
}

export const listedTaskSchema = z.object(shared).meta({ id: 'ListedTask' })

/** The kind of a workflow: `runbook` if a step executes one, `chat` if the task is marked as one. */
const taskKinds = ['workflow', 'runbook', 'chat'] as const

/** A task in a list for people: without its workflow, with what its runs came to. */
export const taskSummarySchema = listedTaskSchema
  .omit({ workflow: true, croissant_metadata: true })
  .extend({
    kind: z.enum(taskKinds),
    steps: z.int().describe('Steps of its workflow.'),
    runs: runTotalsSchema,
  })
  .meta({ id: 'TaskSummary' })
export type TaskSummary = z.output<typeof taskSummarySchema>

export const taskSchema = z
  .object({
    ...shared,
    environment_variables: z.record(z.string(), z.string()).nullable(),
    storage_info: jsonObjectSchema.nullable(),
    storage_provider: z.string().nullable(),
    input_schema: jsonObjectSchema.describe(
      "JSON Schema of the parameters of a run: the workflow's `input_schema`, which each run must fit, or else one that the defaults suggest.",
    ),
    warnings: z
      .array(warningSchema)
      .optional()
      .describe('Problems that a run would meet, and unused members of the request; only after a write.'),
  })
  .meta({ id: 'Task' })

const optionalFields = {
  description: textSchema.nullable().optional(),
  version: textSchema.nullable().optional(),
  has_file_uploads: z.boolean().optional(),
  is_private: z.boolean().optional(),
  is_chat_flow: z.boolean().optional(),
  croissant_metadata: jsonObjectSchema.nullable().optional(),
  note: textSchema
    .max(2_000)
    .nullable()
    .optional()
    .describe('What was changed and why. It is kept with the version of the task that this request saves.'),
}

export const createTaskSchema = z
  .object({
    name: taskNameSchema,
    workflow: workflowSchema,
    entity_type: z.literal('task').default('task'),
    ...optionalFields,
  })
  .meta({ id: 'CreateTask' })

/** Only given members change; `workflow` is replaced as a whole. */
export const updateTaskSchema = z
  .object({ name: taskNameSchema.optional(), workflow: workflowSchema.optional(), ...optionalFields })
  .meta({ id: 'UpdateTask' })

export type Task = z.output<typeof taskSchema>
export type CreateTask = z.output<typeof createTaskSchema>
export type UpdateTask = z.output<typeof updateTaskSchema>
