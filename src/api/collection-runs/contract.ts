import { z } from 'zod'
import { endpoint } from '../../http/endpoint.ts'
import { textSchema } from '../../model/names.ts'
import { collectionRunsSchema, largestRunPage } from '../../model/runs/collection-run.ts'
import { runFilterFields } from '../../model/runs/run-filter.ts'
import { candidatesOfPage } from '../../model/runs/trajectory.ts'

const usd = z.coerce.number().min(0).max(1_000_000_000)

export const collectionRunsContract = {
  listCollectionRuns: endpoint({
    method: 'GET',
    path: '/api/v1/runs/{collection}',
    summary: 'The runs of all tasks of a collection, newest first; or all that fit, as an export',
    tag: 'Runs',
    query: z.object({
      format: z
        .enum(['json', 'jsonl', 'csv'])
        .default('json')
        .describe(
          '`json`: a page. `jsonl` and `csv`: every run that fits, streamed; `limit` does not count. An export that ' +
            'breaks off ends without the last chunk of its transfer, so that clients report an error.',
        ),
      limit: z.coerce
        .number()
        .int()
        .min(1)
        .default(50)
        .transform((limit) => Math.min(limit, largestRunPage))
        .describe(`At most ${largestRunPage}; more is taken as that.`),
      cursor: z
        .string()
        .max(100)
        .default('')
        .describe(
          '`next_cursor` of the answer before. Where the filters are not decided by an index alone, a page looks at ' +
            `${candidatesOfPage} runs at most: it may be short or empty while \`has_more\` is true; go on then.`,
        ),
      task: z.array(textSchema.max(200)).max(20).default([]).describe('One of these tasks; may be repeated.'),
      ...runFilterFields,
      model: textSchema.min(1).max(300).optional().describe('A step of theirs was given it, or answered by it.'),
      min_cost_usd: usd.optional().describe('Runs whose cost is known, and at least this.'),
      max_cost_usd: usd.optional().describe('Runs whose cost is known, and at most this.'),
      error: textSchema.min(1).max(200).optional().describe('Stands in the error, in upper or lower case.'),
      parent_id: textSchema
        .max(200)
        .optional()
        .describe('Trajectory id of the run that started them; of a batch, its `batch_id`.'),
    }),
    response: collectionRunsSchema,
  }),
}
