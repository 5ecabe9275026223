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
    summary: 'The runs of all tasks of a collection, newest first; or all matching runs as an export',
    tag: 'Runs',
    query: z.object({
      format: z
        .enum(['json', 'jsonl', 'csv'])
        .default('json')
        .describe(
          '`json`: one page. `jsonl` and `csv`: all matching runs as a stream; `limit` is ignored. An export that ' +
            'fails midway ends without the final chunk of its transfer, so that clients report an error.',
        ),
      limit: z.coerce
        .number()
        .int()
        .min(1)
        .default(50)
        .transform((limit) => Math.min(limit, largestRunPage))
        .describe(`Page size; larger values are reduced to ${largestRunPage}.`),
      cursor: z
        .string()
        .max(100)
        .default('')
        .describe(
          '`next_cursor` of the previous response. If an index alone cannot decide the filters, a page scans ' +
            `at most ${candidatesOfPage} runs: it may be short or empty while \`has_more\` is true; then request the next page.`,
        ),
      task: z.array(textSchema.max(200)).max(20).default([]).describe('Name of a task; repeat to include several.'),
      ...runFilterFields,
      model: textSchema.min(1).max(300).optional().describe('Model that a step asked for, or that answered it.'),
      min_cost_usd: usd.optional().describe('Only runs with a known cost of at least this many US dollars.'),
      max_cost_usd: usd.optional().describe('Only runs with a known cost of at most this many US dollars.'),
      error: textSchema.min(1).max(200).optional().describe('Text that the error contains, in upper or lower case.'),
      parent_id: textSchema
        .max(200)
        .optional()
        .describe('Only runs started by this run (trajectory id) or batch (`batch_id`).'),
    }),
    response: collectionRunsSchema,
  }),
}
