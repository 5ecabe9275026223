import { z } from 'zod'
import { entityNameSchema, jsonObjectSchema, textSchema, timestampSchema } from '../names.ts'

const shared = {
  id: z.int(),
  name: z.string(),
  description: z.string().nullable().describe('The same as `long_description`.'),
  long_description: z.string().nullable(),
  model_path: z.string(),
  collection_id: z.int(),
  collection_name: z.string(),
  metadata_version: z.string().nullable().describe('Also a tag of the version that is saved with it.'),
  model_metadata: jsonObjectSchema.nullable(),
  asset_origin: z.string().nullable(),
  model_attributes: jsonObjectSchema.nullable(),
  entity_type: z.literal('trained_model'),
  is_private: z.boolean().describe('Whether only keys of the collection can read it.'),
  croissant_metadata: jsonObjectSchema.nullable(),
}

/** A model in a list. */
export const listedModelSchema = z.object(shared).meta({ id: 'ListedModel' })

export const trainedModelSchema = z
  .object({ ...shared, created_at: timestampSchema, updated_at: timestampSchema.nullable() })
  .meta({ id: 'TrainedModel' })

const settable = {
  metadata_version: textSchema.max(1000).nullable().optional(),
  model_metadata: jsonObjectSchema.nullable().optional(),
  asset_origin: textSchema.max(2000).nullable().optional(),
  long_description: textSchema.nullable().optional(),
  description: textSchema
    .nullable()
    .optional()
    .describe('Another name of `long_description`, which wins if both are given.'),
  model_attributes: jsonObjectSchema.nullable().optional(),
  is_private: z.boolean().optional().describe('Default when it is created: true.'),
  croissant_metadata: jsonObjectSchema.nullable().optional(),
  collection_id: z.int().optional().describe('Ignored: the path names the collection.'),
}

const modelPathSchema = textSchema.min(1).max(2000).describe('Where the model is, such as hf://acme/model.')

export const createModelSchema = z
  .object({
    name: entityNameSchema,
    model_path: modelPathSchema,
    entity_type: z.literal('trained_model').default('trained_model'),
    ...settable,
  })
  .meta({ id: 'CreateModel' })

/** Only given members change. */
export const updateModelSchema = z
  .object({
    name: entityNameSchema.optional(),
    model_path: modelPathSchema.optional(),
    entity_type: z.literal('trained_model').optional(),
    ...settable,
  })
  .meta({ id: 'UpdateModel' })
