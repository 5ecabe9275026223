import { z } from 'zod'
import { endpoint, tables } from '../../http/endpoint.ts'
import { csvDelimiterSchema } from '../../model/data/csv-delimiter.ts'
import {
  itemDifferencesSchema,
  itemIdSchema,
  itemPageSchema,
  itemSchema,
  writeItemsSchema,
  writtenItemsSchema,
} from '../../model/data/item.ts'
import { itemCheckSchema } from '../../model/data/item-check.ts'
import { flagSchema } from '../../model/flag.ts'
import { jsonObjectSchema, labelTextSchema, numberCursorSchema, textSchema } from '../../model/names.ts'
import { setTagSchema, taggedSchema, versionOrNewestSchema, versionRefSchema } from '../../model/version-ref.ts'

const tag = 'Dataset items'
const one = '/api/v1/datasets/{collection}/{dataset}'
const collectionMissing = 'Dataset not found'

const splitSchema = z.string().min(1).max(50).optional().describe('Only items of this split.')
const limitSchema = z.coerce.number().int().min(1).max(1000).default(100)

const importBodySchema = z.object({
  file_path: textSchema.max(2000).optional().describe('Instead of a file: a storage path or an upload id.'),
  mode: writeItemsSchema.shape.mode,
  delimiter: csvDelimiterSchema,
  id_column: labelTextSchema
    .default('id')
    .describe(
      'Member that is the id of an item; it is no part of the data. Rows without it get an id from their data.',
    ),
})

const reading = { method: 'GET', tag, collectionMissing, errors: ['bad_request'] } as const
const writing = { tag, collectionMissing, response: writtenItemsSchema } as const

export const itemsContract = {
  listItems: endpoint({
    ...reading,
    path: `${one}/items`,
    summary: 'The items of a version of a dataset in the order in which they were added',
    query: z.object({
      version: versionOrNewestSchema,
      split: splitSchema,
      q: z
        .string()
        .min(1)
        .max(200)
        .optional()
        .describe(
          'Only items whose id or data contain this text, in any case; the data as JSON, with the names of members. A call looks through at most 20,000 items or 16 MiB of them: go on with `next_cursor`, also after a page without items.',
        ),
      id: itemIdSchema
        .optional()
        .describe('Only the item with this id; also for ids that a path cannot name, such as `export` and `diff`.'),
      cursor: numberCursorSchema,
      limit: limitSchema,
    }),
    response: itemPageSchema,
  }),
  writeItems: endpoint({
    ...writing,
    method: 'POST',
    path: `${one}/items`,
    summary: 'Add, change and remove items; all of it is one new version. Items that do not fit the schema are refused',
    body: writeItemsSchema,
    isData: true,
    errors: ['too_large', 'quota_exceeded'],
  }),
  importItems: endpoint({
    ...writing,
    method: 'POST',
    path: `${one}/items/import`,
    summary:
      'Write the items of a file as one new version: CSV with a header, JSON lines, a JSON list of objects, or parquet',
    form: true,
    files: ['file'],
    body: importBodySchema,
    errors: ['too_large', 'quota_exceeded', 'storage_full', 'busy'],
  }),
  checkItems: endpoint({
    ...writing,
    method: 'POST',
    path: `${one}/items/check`,
    summary: 'What an import of a file would add and change, and which rows would be refused; nothing is written',
    form: true,
    files: ['file'],
    body: importBodySchema,
    response: itemCheckSchema,
    audited: false,
    errors: ['too_large', 'busy'],
  }),
  exportItems: endpoint({
    ...reading,
    path: `${one}/items/export`,
    summary: 'All items of a version as a file that can be imported again; the member `id` is the id of the item',
    query: z.object({
      version: versionOrNewestSchema,
      split: splitSchema,
      id_column: labelTextSchema
        .default('id')
        .describe('Member that is the id of an item. A member of the data with this name is left out.'),
      format: z
        .enum(['jsonl', 'csv', 'json', 'parquet'])
        .default('jsonl')
        .describe(
          'Columns of CSV are text where the item_schema says so, or where all values are; others are `name:json`. Parquet has no value where a member is null or missing.',
        ),
    }),
    cookieReads: true,
    response: 'bytes',
    mediaTypes: ['application/json', ...Object.values(tables)],
  }),
  diffItems: endpoint({
    ...reading,
    path: `${one}/items/diff`,
    summary: 'The items that differ between two versions of a dataset',
    query: z.object({
      from: versionRefSchema.describe('Version to compare with: `12` or `~12`, a content hash or a tag.'),
      to: versionOrNewestSchema,
      cursor: numberCursorSchema,
      limit: limitSchema,
    }),
    response: itemDifferencesSchema,
  }),
  addItemFromRun: endpoint({
    method: 'POST',
    path: `${one}/items/from-run`,
    summary:
      'Make an item of a run, or of one step of it: its parameters, and as expected result its output or a correction',
    tag,
    collectionMissing,
    body: z
      .object({
        trajectory_id: z.string().min(1).max(200),
        task: z
          .string()
          .max(128)
          .optional()
          .describe('Task of the run, if it was recorded elsewhere under an id of its own.'),
        step: textSchema
          .min(1)
          .max(1000)
          .optional()
          .describe(
            'Take this step in the place of the run: its inputs are the parameters, its outputs the expected result. For a model call of a trace.',
          ),
        output_path: textSchema
          .min(1)
          .max(1000)
          .optional()
          .describe(
            'Path to the expected result, such as `answer.outputs.text`. Default: the outputs of the last step. With `step` it begins there: `outputs.text`.',
          ),
        correction: z.unknown().optional().describe('The right result, if the run was wrong. It becomes `expected`.'),
        without_expected: flagSchema.describe('Take only the parameters.'),
        id: writeItemsSchema.shape.items.unwrap().element.shape.id,
      })
      .meta({ id: 'ItemFromRun' }),
    response: z.object({ item: itemSchema, written: writtenItemsSchema }),
    errors: ['not_found', 'too_large', 'quota_exceeded'],
  }),
  getItem: endpoint({
    ...reading,
    path: `${one}/items/{item}`,
    summary:
      'One item of a version of a dataset; `…/items?id=` reads one whose id is `export` or `diff`, which are paths of their own',
    query: z.object({ version: versionOrNewestSchema }),
    response: itemSchema,
  }),
  putItem: endpoint({
    ...writing,
    method: 'PUT',
    path: `${one}/items/{item}`,
    summary: 'Add an item or replace its data; the body is the data',
    body: jsonObjectSchema,
    errors: ['too_large', 'quota_exceeded'],
  }),
  deleteItem: endpoint({
    ...writing,
    method: 'DELETE',
    path: `${one}/items/{item}`,
    summary: 'Remove an item; versions that have it keep it',
  }),
  listItemRevisions: endpoint({
    ...reading,
    path: `${one}/items/{item}/history`,
    summary: 'What an item has been, newest first, and which versions have each content',
    query: z.object({
      cursor: numberCursorSchema,
      limit: z.coerce.number().int().min(1).max(100).default(50),
    }),
    response: z.object({
      revisions: z.array(
        itemSchema.extend({
          until_version: z.int().nullable().describe('First version without it; null: still there.'),
        }),
      ),
      next_cursor: z.string().nullable(),
    }),
  }),
  setDatasetTag: endpoint({
    method: 'PUT',
    path: `${one}/tags/{tag}`,
    summary: 'Give a version of a dataset a name; a tag that exists moves to it',
    tag,
    collectionMissing,
    body: setTagSchema,
    response: taggedSchema,
    errors: ['bad_request'],
  }),
  deleteDatasetTag: endpoint({
    method: 'DELETE',
    path: `${one}/tags/{tag}`,
    summary: 'Remove a tag; its version stays',
    tag,
    collectionMissing,
    response: z.object({ message: z.string() }),
  }),
}
