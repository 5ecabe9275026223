import { z } from 'zod'
import { timestampSchema } from '../names.ts'
import { runStatuses } from '../workflows/workflow.ts'

const resultStates = ['fresh', 'item_changed', 'task_changed', 'running', 'failed', 'missing'] as const

const stateSchema = z
  .enum(resultStates)
  .describe(
    '`fresh`: there is a result for this content and the present workflow. `item_changed`, `task_changed`: the newest result is of another content, or another workflow. `running`, `failed`: the runs for this content and workflow are under way, or did not complete. `missing`: there is no result.',
  )

export const resultStateFilterSchema = z
  .enum([...resultStates, 'stale'])
  .optional()
  .describe('Only items in this state; `stale`: all but fresh and running ones.')

export const datasetResultsSchema = z
  .object({
    version: z.int().describe('Index of the version that was read.'),
    task: z.string(),
    counts: z
      .partialRecord(stateSchema, z.int())
      .nullable()
      .describe('Items of the version or split by state; only on the first page.'),
    items: z.array(
      z.object({
        id: z.string(),
        state: stateSchema,
        hash: z.string().describe("SHA-256 of the item's data in this version."),
        run: z
          .object({
            trajectory_id: z.string(),
            status: z.enum(runStatuses),
            error: z.string().nullable(),
            ended: timestampSchema.nullable(),
            batch_id: z.string().describe('Id of its batch or evaluation.'),
            dataset_version: z.int().describe('Version of the dataset that it was started for.'),
            item_hash: z.string().describe("SHA-256 of the item's data then."),
            workflow_hash: z.string().describe('SHA-256 of the workflow that it executed.'),
          })
          .nullable()
          .describe('The run that counts for the item: the newest with a result, those for the same content first.'),
      }),
    ),
    next_cursor: z.string().nullable(),
  })
  .meta({ id: 'DatasetResults' })
