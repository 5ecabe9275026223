import { z } from 'zod'
import { endpoint, tables } from '../../http/endpoint.ts'
import { textSchema } from '../../model/names.ts'
import { collectionRunSchema, collectionRunsSchema, largestRunPage } from '../../model/runs/collection-run.ts'
import { collectionRunFilterFields, runOrderFields } from '../../model/runs/run-filter.ts'
import { runCountsSchema } from '../../model/runs/run-totals.ts'
import { candidatesOfPage } from '../../model/runs/trajectory.ts'

export const collectionRunsContract = {
  listCollectionRuns: endpoint({
    method: 'GET',
    path: '/api/v1/runs/{collection}',
    summary:
      'The runs of all tasks of a collection, newest first or in another order; or all matching runs as an export',
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
          '`next_cursor` of the previous response. If an index alone cannot decide the filters, a page examines a bounded ' +
            `number of runs (${candidatesOfPage} to 10,000): it may be short or empty while \`has_more\` is true. ` +
            '`looked_until` says how far it looked; request the next page to look further.',
        ),
      ...runOrderFields,
      ...collectionRunFilterFields,
    }),
    mediaTypes: [tables.csv, tables.jsonl],
    response: collectionRunsSchema,
  }),
  findRuns: endpoint({
    method: 'GET',
    path: '/api/v1/runs',
    summary: 'Runs whose id begins with a text, newest first, in all collections that the token covers',
    tag: 'Runs',
    query: z.object({
      id: textSchema
        .min(3)
        .max(200)
        .describe('Beginning of the trajectory id, of at least 3 characters. At most 1,000 ids with it are looked up.'),
      limit: z.coerce.number().int().min(1).max(100).default(10),
    }),
    response: z.object({ runs: z.array(collectionRunSchema), has_more: z.boolean() }).meta({ id: 'FoundRuns' }),
  }),
  countCollectionRuns: endpoint({
    method: 'GET',
    path: '/api/v1/runs/{collection}/counts',
    summary: 'Numbers of runs by status in a collection or in some of its tasks, from totals that the server maintains',
    tag: 'Runs',
    query: z.object({
      task: z.array(textSchema.max(200)).max(20).default([]).describe('Name of a task; repeat to include several.'),
    }),
    response: z
      .object({
        total: z.int().describe('Runs ever started or sent in that still exist; child runs count too.'),
        by_status: runCountsSchema,
        approvals: z.int().describe('Steps that wait for a person.'),
        tasks: z.int(),
        routines: z.int(),
        versions: z.int().describe('Versions of these tasks.'),
      })
      .meta({ id: 'RunCounts' }),
  }),
}
