import { z } from 'zod'
import { anyFile, endpoint, ifMatchHeader } from '../../http/endpoint.ts'
import {
  createDatasetSchema,
  dataFileSchema,
  datasetPreviewSchema,
  datasetSchema,
  listedDatasetSchema,
  updateDatasetSchema,
  uploadedDataSchema,
} from '../../model/data/dataset.ts'
import { deletedEntitySchema } from '../../model/data/entity.ts'
import { entityHistorySchema, entityVersionSchema, historyQuerySchema } from '../../model/data/entity-version.ts'
import { jsonObjectSchema } from '../../model/names.ts'
import { searchHitSchema, searchQuerySchema } from '../../model/search.ts'

/** A fault in a Croissant document, or advice about it. */
const croissantFindingSchema = z
  .object({
    pointer: z.string().describe('JSON Pointer of the place in the document; empty for the document itself.'),
    node: z
      .string()
      .nullable()
      .describe('The node and those it is in, such as `Metadata(iris) > RecordSet(flowers) > Field(id)`.'),
    rule: z.string().describe('Name of the rule, such as `reference`.'),
    severity: z.enum(['error', 'warning']),
    message: z.string(),
    fix: z.string().describe('What to do about it.'),
  })
  .meta({ id: 'CroissantFinding' })

/** The report about a Croissant file. */
const croissantReportSchema = z
  .object({
    filename: z.string(),
    overall_passed: z.boolean().describe('Whether the file has no error; warnings do not count.'),
    steps: z
      .array(
        z.object({
          name: z.string(),
          passed: z.boolean(),
          message: z.string(),
          details: z.string().nullable(),
        }),
      )
      .describe('JSON, then the rules of Croissant, then the records. The first step that fails is the last.'),
    json_reference: z.unknown().describe('The document; a text when it is no JSON.'),
    errors: z.array(croissantFindingSchema),
    warnings: z.array(croissantFindingSchema),
  })
  .meta({ id: 'CroissantReport' })

/** The first rows of a data file. */
const filePreviewSchema = z
  .object({
    format: z.string().describe('parquet, csv, tsv, json, jsonl, zip or tar.gz.'),
    columns: z
      .array(
        z.object({
          name: z.string(),
          type: z
            .enum(['text', 'integer', 'number', 'boolean', 'datetime', 'object', 'list', 'mixed', 'empty', 'skipped'])
            .describe('`skipped` is a column whose first page is too large to be shown.'),
          nulls: z.int(),
          distinct: z.int(),
          min: z.union([z.string(), z.number()]).nullable(),
          max: z.union([z.string(), z.number()]).nullable(),
        }),
      )
      .describe('Facts about a column are those of the rows shown.'),
    rows: z.array(z.array(z.unknown())).describe('At most 100 rows, with a cell for each column; long texts are cut.'),
    row_count: z
      .int()
      .nullable()
      .describe('How many rows the file has, where it says so without being read as a whole.'),
    truncated: z.boolean().describe('Whether the file has more than is shown.'),
    members: z.array(z.object({ name: z.string(), size: z.int() })).describe('Members of an archive, at most 1,000.'),
    member: z.string().nullable().describe('The member of an archive that is shown: the first that can be.'),
  })
  .meta({ id: 'FilePreview' })

const tag = 'Datasets'
const one = '/api/v1/datasets/{collection}/{dataset}'
const collectionMissing = 'Dataset not found'
const unknownCollection = "Collection with name '{collection}' not found"

/** Validated in the route: out of range values get one sentence here, not the list of issues. */
const pageQuery = z.object({
  skip: z.coerce.number().int().default(0).meta({ minimum: 0 }),
  limit: z.coerce.number().int().default(100).meta({ minimum: 0 }).describe('At most 1,000 are returned.'),
})

const reading = { method: 'GET', tag, collectionMissing } as const
const openly = { ...reading, access: 'optional' } as const

export const datasetsContract = {
  validateCroissant: endpoint({
    method: 'POST',
    path: '/api/v1/datasets/mlcroissant-validation',
    summary: 'Validate a Croissant file of version 1.0 or 1.1; also a file with errors gets a report and status 200',
    tag,
    access: 'none',
    body: z.object({}),
    form: true,
    files: ['file'],
    heldFileBytes: 4 * 1024 * 1024,
    audited: false,
    response: croissantReportSchema,
    errors: ['busy'],
  }),
  previewDatasetData: endpoint({
    method: 'GET',
    path: '/api/v1/datasets/{collection}/{dataset}/data/{number}/preview',
    summary:
      'The first rows of a data file: parquet, CSV, TSV, JSON, JSON lines, or the first such file in a tar.gz or zip',
    tag,
    collectionMissing: unknownCollection,
    response: filePreviewSchema,
    errors: ['bad_request', 'storage_unavailable', 'busy'],
  }),
  listDatasets: endpoint({
    method: 'GET',
    path: '/api/v1/datasets/{collection}',
    summary: 'The datasets of a collection, oldest first',
    tag,
    collectionMissing: unknownCollection,
    query: pageQuery,
    response: z.array(listedDatasetSchema),
    errors: ['bad_request'],
  }),
  searchDatasets: endpoint({
    method: 'GET',
    path: '/api/v1/datasets/search',
    summary: 'Search datasets by a text in their names, descriptions or metadata; public ones need no token',
    tag,
    access: 'optional',
    query: searchQuerySchema,
    response: z.object({ hits: z.array(searchHitSchema) }),
  }),
  createDataset: endpoint({
    method: 'POST',
    path: '/api/v1/datasets/{collection}',
    summary: 'Create a dataset',
    tag,
    collectionMissing: unknownCollection,
    body: createDatasetSchema,
    response: datasetSchema,
    errors: ['already_exists', 'quota_exceeded'],
  }),
  getDataset: endpoint({
    ...openly,
    path: one,
    summary: 'One dataset; public ones need no token. Its `ETag` is for `If-Match`',
    response: datasetSchema,
  }),
  updateDataset: endpoint({
    method: 'PUT',
    path: one,
    summary: 'Change the given fields of a dataset',
    tag,
    collectionMissing,
    headers: ifMatchHeader,
    body: updateDatasetSchema,
    response: datasetSchema,
    errors: ['already_exists', 'precondition_failed', 'quota_exceeded'],
  }),
  setDatasetMetadata: endpoint({
    method: 'PATCH',
    path: `${one}/metadata`,
    summary: 'Replace the metadata of a dataset; the body is the new `dataset_metadata`',
    tag,
    collectionMissing,
    headers: ifMatchHeader,
    body: jsonObjectSchema,
    response: datasetSchema,
    errors: ['precondition_failed', 'quota_exceeded'],
  }),
  deleteDataset: endpoint({
    method: 'DELETE',
    path: one,
    summary: 'Delete a dataset with its versions, items and files',
    tag,
    collectionMissing,
    response: deletedEntitySchema,
  }),
  listDatasetVersions: endpoint({
    ...reading,
    path: `${one}/history`,
    summary: 'The versions of a dataset, newest first; each change of its fields or items creates a version',
    query: historyQuerySchema,
    response: entityHistorySchema,
  }),
  getDatasetVersion: endpoint({
    ...reading,
    path: `${one}/versions/{ref}`,
    summary: 'One version of a dataset: by content hash, by tag, or by index (~0 the oldest, ~-1 the newest)',
    response: entityVersionSchema,
    errors: ['bad_request'],
  }),
  getDatasetCroissant: endpoint({
    ...openly,
    path: `${one}/mlcroissant`,
    summary: 'The stored Croissant metadata of a dataset',
    response: jsonObjectSchema,
  }),
  exportDatasetCroissant: endpoint({
    ...reading,
    path: `${one}/croissant`,
    summary:
      'The newest version of a dataset described as a Croissant 1.1 document: data files (20,000 at most) with hashes, and items as JSON lines',
    response: jsonObjectSchema,
    errors: ['too_large'],
  }),
  setDatasetPreview: endpoint({
    method: 'PUT',
    path: `${one}/preview`,
    summary: 'Store a preview of a dataset; an empty file removes it. The preview is not versioned',
    tag,
    collectionMissing,
    form: true,
    body: z.object({}),
    files: ['preview_update'],
    response: datasetPreviewSchema,
    errors: ['quota_exceeded', 'storage_full'],
  }),
  getDatasetPreview: endpoint({
    ...openly,
    path: `${one}/preview`,
    summary: 'The stored preview of a dataset; range requests are supported',
    cookieReads: true,
    response: 'bytes',
    mediaTypes: anyFile,
  }),
  uploadDatasetData: endpoint({
    method: 'POST',
    path: `${one}/data`,
    summary:
      'Upload a data file; files are numbered from 0, also when several come at once. With `storage_provider` `s3` it goes to the bucket of the collection',
    tag,
    collectionMissing: "Collection '{collection}' not found",
    form: true,
    body: z.object({}),
    files: ['data_file'],
    response: uploadedDataSchema,
    errors: ['bad_request', 'conflict', 'quota_exceeded', 'storage_full', 'storage_unavailable'],
  }),
  listDatasetData: endpoint({
    ...reading,
    path: `${one}/data`,
    summary: 'The data files of a dataset by number',
    query: z.object({
      after: z.coerce.number().int().min(-1).max(2_000_000_000).default(-1).describe('Number of the last known file.'),
      limit: z.coerce.number().int().min(1).max(1000).default(100),
    }),
    response: z.object({ files: z.array(dataFileSchema), has_more: z.boolean() }),
  }),
  getDatasetData: endpoint({
    ...reading,
    path: `${one}/data/{number}`,
    summary: 'One data file with the address of its bytes',
    response: dataFileSchema,
  }),
  downloadLatestDatasetData: endpoint({
    method: 'GET',
    path: '/api/v1/datasets/data/latest/{collection}/{dataset}',
    summary: 'Download the data file with the highest number; range requests are supported',
    tag,
    collectionMissing,
    cookieReads: true,
    response: 'bytes',
    mediaTypes: anyFile,
  }),
}
