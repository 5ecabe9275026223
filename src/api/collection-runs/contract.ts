import { z } from 'zod'
import { endpoint, tables } from '../../http/endpoint.ts'
import { numberCursorSchema, textSchema } from '../../model/names.ts'
import { bulkActionPageSchema, bulkActionSchema, newBulkActionSchema } from '../../model/runs/bulk-action.ts'
import { collectionRunSchema, collectionRunsSchema, largestRunPage } from '../../model/runs/collection-run.ts'
import { collectionRunFilterFields, runOrderFields } from '../../model/runs/run-filter.ts'
import { runCountsSchema } from '../../model/runs/run-totals.ts'
import { candidatesOfPage } from '../../model/runs/trajectory.ts'
import { mostViews, saveViewSchema, viewSchema } from '../../model/view.ts'

const tag = 'Runs'

const bulkPath = '/api/v1/runs/{collection}/bulk'
const oneBulk = `${bulkPath}/{bulk_id}` as const
const bulkMissing = { collectionMissing: "Bulk action '{bulk_id}' not found" } as const

const viewsPath = '/api/v1/views/{collection}'
const oneView = { path: `${viewsPath}/{name}`, tag, collectionMissing: "View '{name}' not found" } as const

export const collectionRunsContract = {
  listCollectionRuns: endpoint({
    method: 'GET',
    path: '/api/v1/runs/{collection}',
    summary:
      'The runs of all tasks of a collection, newest first or in another order; or all matching runs as an export',
    tag,
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
    tag,
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
    tag,
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
  startBulkAction: endpoint({
    method: 'POST',
    path: bulkPath,
    summary:
      'Label, cancel, delete or run again many runs, chosen by id or filter; the answer has an id to follow its progress',
    tag,
    body: newBulkActionSchema,
    idempotent: true,
    response: bulkActionSchema,
    status: 202,
    errors: ['busy'],
  }),
  listBulkActions: endpoint({
    method: 'GET',
    path: bulkPath,
    summary: 'Actions on many runs of the last 30 days, newest first',
    tag,
    query: z.object({
      limit: z.coerce.number().int().min(1).max(100).default(20),
      cursor: numberCursorSchema,
    }),
    response: bulkActionPageSchema,
  }),
  getBulkAction: endpoint({
    ...bulkMissing,
    method: 'GET',
    path: oneBulk,
    summary: 'Progress of an action on many runs',
    tag,
    response: bulkActionSchema,
  }),
  undoBulkAction: endpoint({
    ...bulkMissing,
    method: 'POST',
    path: `${oneBulk}/undo`,
    summary: 'Restore the labels that an action has set or removed, except where they were changed since',
    tag,
    response: bulkActionSchema,
    status: 202,
    errors: ['conflict', 'busy'],
  }),
  stopBulkAction: endpoint({
    ...bulkMissing,
    method: 'DELETE',
    path: oneBulk,
    summary: 'Stop an action; runs that it has changed stay changed',
    tag,
    response: bulkActionSchema,
  }),
  listLabelKeys: endpoint({
    method: 'GET',
    path: '/api/v1/runs/{collection}/labels',
    summary: 'Keys of labels in use in a collection, with their most frequent values',
    tag: 'Labels',
    query: z.object({
      after: textSchema.max(200).default('').describe('Only keys after this one, in alphabetical order.'),
      limit: z.coerce.number().int().min(1).max(100).default(50),
    }),
    response: z
      .object({
        keys: z.array(
          z.object({
            key: z.string(),
            values: z
              .array(z.object({ value: z.string(), runs: z.int() }))
              .describe('The most frequent values, at most 20, cut to 200 characters.'),
          }),
        ),
        has_more: z.boolean(),
      })
      .meta({ id: 'LabelKeys' }),
  }),
  listViews: endpoint({
    method: 'GET',
    path: viewsPath,
    summary: `The saved views of the list of runs, by name; a collection has at most ${mostViews}`,
    tag,
    response: z.object({ views: z.array(viewSchema) }),
  }),
  getView: endpoint({ ...oneView, method: 'GET', summary: 'One saved view', response: viewSchema }),
  saveView: endpoint({
    ...oneView,
    method: 'PUT',
    summary: 'Save a view under a name; an existing one is replaced',
    body: saveViewSchema,
    response: viewSchema,
    errors: ['conflict'],
  }),
  deleteView: endpoint({
    ...oneView,
    method: 'DELETE',
    summary: 'Delete a saved view',
    response: z.object({ message: z.string() }),
  }),
}
