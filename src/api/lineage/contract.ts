import { z } from 'zod'
import { endpoint } from '../../http/endpoint.ts'
import { itemIdSchema } from '../../model/data/item.ts'
import { lineageSchema } from '../../model/data/lineage.ts'
import { numberCursorSchema, textSchema, timestampSchema } from '../../model/names.ts'
import { versionOrNewestSchema } from '../../model/version-ref.ts'
import { runStatuses } from '../../model/workflows/workflow.ts'

const resultStates = ['fresh', 'item_changed', 'task_changed', 'running', 'failed', 'missing'] as const

const stateSchema = z
  .enum(resultStates)
  .describe(
    '`fresh`: there is a result for this content and the present workflow. `item_changed`, `task_changed`: the newest result is of another content, or another workflow. `running`, `failed`: the runs for this content and workflow are under way, or did not complete. `missing`: there is no result.',
  )

const resultStateFilterSchema = z
  .enum([...resultStates, 'stale'])
  .optional()
  .describe('Only items in this state; `stale`: all but fresh and running ones.')

const datasetResultsSchema = z
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

export const lineageContract = {
  listDatasetResults: endpoint({
    method: 'GET',
    path: '/api/v1/datasets/{collection}/{dataset}/results',
    summary: 'Which items of a dataset have a result of a task, and which results are stale because something changed',
    tag: 'Dataset items',
    collectionMissing: 'Dataset not found',
    query: z.object({
      task: z.string().min(1).max(128).describe('Task of the collection.'),
      version: versionOrNewestSchema,
      split: z.string().min(1).max(50).optional().describe('Only items of this split.'),
      state: resultStateFilterSchema,
      cursor: numberCursorSchema,
      limit: z.coerce.number().int().min(1).max(1000).default(100),
    }),
    response: datasetResultsSchema,
    errors: ['bad_request'],
  }),
  getLineage: endpoint({
    method: 'GET',
    path: '/api/v1/lineage/{collection}',
    summary:
      'What a file, a run, a dataset, an item or a model came from, and what came of it. The server wrote every link when it executed the run, but those of kind `declared`',
    tag: 'Lineage',
    query: z.object({
      file: textSchema.min(1).max(1024).optional().describe('Storage path of a file of a run.'),
      trajectory_id: z.string().min(1).max(200).optional().describe('A run.'),
      dataset: z
        .string()
        .min(1)
        .max(128)
        .optional()
        .describe('A dataset of the collection: the runs that registered it, and the batches over it.'),
      model: z.string().min(1).max(128).optional().describe('A model of the collection.'),
      item: itemIdSchema.optional().describe('With `dataset`: an item; its newest 100 runs are shown.'),
    }),
    response: lineageSchema,
  }),
}
