import { z } from 'zod'
import { jsonObjectSchema } from './names.ts'

/** A trained model in a list. */
export const listedModelSchema = z
  .object({
    id: z.int(),
    name: z.string(),
    description: z.string().nullable(),
    long_description: z.string().nullable(),
    model_path: z.string(),
    collection_id: z.int(),
    collection_name: z.string(),
    metadata_version: z.string().nullable(),
    model_metadata: jsonObjectSchema.nullable(),
    asset_origin: z.string().nullable(),
    model_attributes: jsonObjectSchema.nullable(),
    entity_type: z.literal('trained_model'),
    is_private: z.boolean(),
    croissant_metadata: jsonObjectSchema.nullable(),
  })
  .meta({ id: 'ListedModel' })
