import { memberText } from '../../lib/json/json-text.ts'
import type { EntityFields } from '../../store/entities/entities.ts'

/** Columns by the member of a request that sets them. */
const columns: Readonly<Record<string, keyof EntityFields>> = {
  name: 'name',
  data_path: 'path',
  model_path: 'path',
  format: 'format',
  metadata_version: 'metadata_version',
  dataset_metadata: 'metadata',
  model_metadata: 'metadata',
  model_attributes: 'attributes',
  asset_origin: 'asset_origin',
  description: 'long_description',
  long_description: 'long_description', // after its other name, so that it wins
  is_private: 'is_private',
  croissant_metadata: 'croissant_metadata',
  preview_type: 'preview_type',
  item_schema: 'item_schema',
  splits: 'splits',
}

/** Returns the given fields of a body for storage. Objects keep their original text. */
export const storedFields = (body: Readonly<Record<string, unknown>>, bodyText: string): Partial<EntityFields> => {
  const fields: Partial<Record<keyof EntityFields, unknown>> = {}
  for (const [member, column] of Object.entries(columns)) {
    const value = body[member]
    if (value === undefined) continue
    const isObject = typeof value === 'object' && value !== null
    fields[column] = isObject ? (memberText(bodyText, member) ?? JSON.stringify(value)) : value
  }
  return fields as Partial<EntityFields>
}

/** The fields of an entity that is created with nothing but a name. */
export const emptyFields = (name: string): EntityFields => ({
  name,
  path: null,
  format: null,
  metadata_version: null,
  metadata: null,
  attributes: null,
  asset_origin: null,
  long_description: null,
  is_private: true,
  croissant_metadata: null,
  preview_type: null,
  item_schema: null,
  splits: null,
})
