import { z } from 'zod'
import { endpoint, tables } from '../../http/endpoint.ts'
import {
  batchRequestSchema,
  batchResultsSchema,
  batchSchema,
  batchSummarySchema,
  largestResultPage,
  startedBatchSchema,
} from '../../model/runs/batch.ts'
import { preflightQuery } from '../../model/runs/preflight.ts'

const tag = 'Batches'
const one = '/api/v1/batches/{collection}/{batch_id}'
const collectionMissing = "Batch '{batch_id}' not found"

export const batchesContract = {
  runBatch: endpoint({
    method: 'POST',
    path: '/api/v1/run-batch/{collection}/{task}',
    summary: 'Start a run of a task for each of many items; the response follows as soon as the batch is stored',
    tag,
    collectionMissing: "Task '{task}' in collection '{collection}' not found",
    query: preflightQuery,
    body: batchRequestSchema,
    isData: true,
    task: true,
    idempotent: true,
    audited: false,
    response: startedBatchSchema,
    errors: ['busy', 'model_unavailable'],
  }),
  listBatches: endpoint({
    method: 'GET',
    path: '/api/v1/batches/{collection}',
    summary: 'The batches of a collection, newest first',
    tag,
    query: z.object({
      task: z.string().max(128).optional().describe('Only batches of this task.'),
      limit: z.coerce.number().int().min(1).max(100).default(20),
      cursor: z.string().max(100).optional().describe('`next_cursor` of the previous response.'),
    }),
    response: z.object({ batches: z.array(batchSummarySchema), next_cursor: z.string().nullable() }),
  }),
  getBatch: endpoint({
    method: 'GET',
    path: one,
    summary: 'The progress of a batch: its runs by status, its cost, its first errors',
    tag,
    collectionMissing,
    response: batchSchema,
  }),
  getBatchResults: endpoint({
    method: 'GET',
    path: `${one}/results`,
    summary: 'The result of every item, in the order of the items',
    tag,
    collectionMissing,
    query: z.object({
      format: z
        .enum(['json', 'jsonl', 'csv', 'parquet'])
        .default('json')
        .describe('json: one page. jsonl, csv and parquet: all results as a stream; `page` and `limit` are ignored.'),
      page: z.coerce.number().int().min(1).max(1_000_000).default(1),
      limit: z.coerce
        .number()
        .int()
        .min(1)
        .default(100)
        .transform((limit) => Math.min(limit, largestResultPage))
        .describe(`Page size; larger values are reduced to ${largestResultPage}.`),
    }),
    response: batchResultsSchema,
    mediaTypes: Object.values(tables),
  }),
  cancelBatch: endpoint({
    method: 'POST',
    path: `${one}/cancel`,
    summary: 'Stop a batch: cancel its running runs and start no more',
    tag,
    collectionMissing,
    response: batchSchema,
  }),
}
