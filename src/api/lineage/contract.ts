import { z } from 'zod'
import { endpoint } from '../../http/endpoint.ts'
import { itemIdSchema } from '../../model/data/item.ts'
import { lineageSchema } from '../../model/data/lineage.ts'
import { textSchema } from '../../model/names.ts'

export const lineageContract = {
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
