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
