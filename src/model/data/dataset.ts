import { z } from 'zod'
import { entityNameSchema, jsonObjectSchema, textSchema, timestampSchema } from '../names.ts'
import { splitsSchema } from './splits.ts'

const shared = {
  id: z.int(),
  name: z.string(),
  description: z.string().nullable().describe('The same as `long_description`.'),
  long_description: z.string().nullable(),
  data_path: z.string().nullable().describe('Where the data is. The first uploaded data file sets it if it was empty.'),
  format: z.string().nullable(),
  collection_id: z.int(),
  collection_name: z.string(),
  metadata_version: z.string().nullable().describe('Also a tag of the version that is saved with it.'),
  dataset_metadata: jsonObjectSchema.nullable().describe('Croissant metadata as stored; the order of keys is kept.'),
  preview_type: z.string().nullable().describe('Content type of the stored preview.'),
  entity_type: z.literal('dataset'),
  asset_origin: z.string().nullable(),
  is_private: z.boolean().describe('Whether only keys of the collection can read it.'),
  croissant_metadata: jsonObjectSchema.nullable(),
}

/** A dataset in a list. */
export const listedDatasetSchema = z.object(shared).meta({ id: 'ListedDataset' })

const full = {
  ...shared,
  item_schema: jsonObjectSchema.nullable().describe('JSON Schema of each item. Items that do not fit are refused.'),
  splits: splitsSchema.nullable(),
  version: z.int().describe('Index of the newest version.'),
  created_at: timestampSchema,
  updated_at: timestampSchema.nullable(),
}

export const datasetSchema = z.object(full).meta({ id: 'Dataset' })

/** A dataset with its preview as text. */
export const datasetPreviewSchema = z
  .object({
    ...full,
    preview: z.string().nullable().describe('The preview, if it is UTF-8 text of at most 64 KiB.'),
  })
  .meta({ id: 'DatasetPreview' })

const settable = {
  data_path: textSchema.max(2000).nullable().optional(),
  format: textSchema.max(200).nullable().optional(),
  metadata_version: textSchema.max(1000).nullable().optional(),
  dataset_metadata: jsonObjectSchema.nullable().optional(),
  preview_type: textSchema.max(200).nullable().optional(),
  long_description: textSchema.nullable().optional(),
  description: textSchema
    .nullable()
    .optional()
    .describe('Another name of `long_description`, which wins if both are given.'),
  asset_origin: textSchema.max(2000).nullable().optional(),
  is_private: z.boolean().optional().describe('Default when it is created: true.'),
  croissant_metadata: jsonObjectSchema.nullable().optional(),
  item_schema: jsonObjectSchema.nullable().optional().describe('JSON Schema of each item; all items must fit.'),
  splits: splitsSchema.nullable().optional(),
  collection_id: z.int().optional().describe('Ignored: the path names the collection.'),
}

export const createDatasetSchema = z
  .object({ name: entityNameSchema, entity_type: z.literal('dataset').default('dataset'), ...settable })
  .meta({ id: 'CreateDataset' })

/** Only given members change. */
export const updateDatasetSchema = z
  .object({ name: entityNameSchema.optional(), entity_type: z.literal('dataset').optional(), ...settable })
  .meta({ id: 'UpdateDataset' })

/** A stored data file. */
const dataFileMembers = {
  file_path: z.string().describe('Storage path: download it with `GET /api/v1/file/{path}`.'),
  collection_name: z.string(),
  dataset_name: z.string(),
  file_number: z.int().describe('Number of the file, from 0.'),
}

export const uploadedDataSchema = z
  .object({ success: z.literal(true), ...dataFileMembers })
  .meta({ id: 'UploadedData' })

export const dataFileSchema = z
  .object({
    download_url: z
      .string()
      .describe(
        'Address of the bytes at this server, which needs the token of the caller. Where JETTY_STORAGE_LINKS is on, one data ' +
          'file has a link to the bucket instead: it needs no token, and is good for an hour.',
      ),
    ...dataFileMembers,
    size: z.int().describe('In bytes.'),
    sha256: z.string().nullable().describe('SHA-256 of the bytes in hex.'),
    content_type: z.string(),
    created_at: timestampSchema,
  })
  .meta({ id: 'DataFile' })

export type Dataset = z.output<typeof datasetSchema>
export type CreateDataset = z.output<typeof createDatasetSchema>
