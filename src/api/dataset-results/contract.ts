import { z } from 'zod'
import { endpoint } from '../../http/endpoint.ts'
import { datasetResultsSchema, resultStateFilterSchema } from '../../model/data/dataset-result.ts'
import { versionRefSchema } from '../../model/data/item.ts'
import { numberCursorSchema } from '../../model/names.ts'

export const datasetResultsContract = {
  listDatasetResults: endpoint({
    method: 'GET',
    path: '/api/v1/datasets/{collection}/{dataset}/results',
    summary: 'Which items of a dataset have a result of a task, and which results are stale because something changed',
    tag: 'Dataset items',
    collectionMissing: 'Dataset not found',
    query: z.object({
      task: z.string().min(1).max(128).describe('Task of the collection.'),
      version: versionRefSchema,
      split: z.string().min(1).max(50).optional().describe('Only items of this split.'),
      state: resultStateFilterSchema,
      cursor: numberCursorSchema,
      limit: z.coerce.number().int().min(1).max(1000).default(100),
    }),
    response: datasetResultsSchema,
    errors: ['bad_request'],
  }),
}
