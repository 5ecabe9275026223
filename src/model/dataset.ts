import { z } from 'zod'
import { jsonObjectSchema } from './names.ts'

/** A dataset in a list. */
export const listedDatasetSchema = z
  .object({
    id: z.int(),
    name: z.string(),
    description: z.string().nullable(),
    long_description: z.string().nullable(),
    data_path: z.string().nullable(),
    format: z.string().nullable(),
    collection_id: z.int(),
    collection_name: z.string(),
    metadata_version: z.string().nullable(),
    dataset_metadata: jsonObjectSchema.nullable(),
    preview_type: z.string().nullable(),
    entity_type: z.literal('dataset'),
    asset_origin: z.string().nullable(),
    is_private: z.boolean(),
    croissant_metadata: jsonObjectSchema.nullable(),
  })
  .meta({ id: 'ListedDataset' })
