import { z } from 'zod'
import { endpoint } from '../../http/endpoint.ts'
import { numberCursorSchema, textSchema } from '../../model/names.ts'
import { bulkActionPageSchema, bulkActionSchema, newBulkActionSchema } from '../../model/runs/bulk-action.ts'

const tag = 'Runs'
const path = '/api/v1/runs/{collection}/bulk'
const one = `${path}/{bulk_id}` as const
const missing = { collectionMissing: "Bulk action '{bulk_id}' not found" } as const

export const bulkActionsContract = {
  startBulkAction: endpoint({
    method: 'POST',
    path,
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
    path,
    summary: 'Actions on many runs of the last 30 days, newest first',
    tag,
    query: z.object({
      limit: z.coerce.number().int().min(1).max(100).default(20),
      cursor: numberCursorSchema,
    }),
    response: bulkActionPageSchema,
  }),
  getBulkAction: endpoint({
    ...missing,
    method: 'GET',
    path: one,
    summary: 'Progress of an action on many runs',
    tag,
    response: bulkActionSchema,
  }),
  undoBulkAction: endpoint({
    ...missing,
    method: 'POST',
    path: `${one}/undo`,
    summary: 'Restore the labels that an action has set or removed, except where they were changed since',
    tag,
    response: bulkActionSchema,
    status: 202,
    errors: ['conflict', 'busy'],
  }),
  stopBulkAction: endpoint({
    ...missing,
    method: 'DELETE',
    path: one,
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
}
