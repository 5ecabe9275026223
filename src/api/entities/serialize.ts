import { entityTag } from '../../http/entity-tag.ts'
import { withRaw } from '../../lib/json/json-text.ts'
import { timestamp } from '../../lib/time.ts'
import type { EntityRow } from '../../store/entities/entities.ts'

const members = (row: EntityRow) => ({
  id: row.id,
  name: row.name,
  description: row.long_description,
  long_description: row.long_description,
  collection_id: row.collection_id,
  collection_name: row.collection_name,
  metadata_version: row.metadata_version,
  entity_type: row.kind,
  asset_origin: row.asset_origin,
  is_private: row.is_private,
})

const ofKind = (row: EntityRow) =>
  row.kind === 'dataset'
    ? { data_path: row.path, format: row.format, preview_type: row.preview_type }
    : { model_path: row.path }

const rawOf = (row: EntityRow): Record<string, string> => ({
  croissant_metadata: row.croissant_metadata ?? 'null',
  ...(row.kind === 'dataset'
    ? { dataset_metadata: row.metadata ?? 'null' }
    : { model_metadata: row.metadata ?? 'null', model_attributes: row.attributes ?? 'null' }),
})

/** An entity in a list as JSON text, with objects as they were stored. */
export const listedEntityText = (row: EntityRow): string => withRaw({ ...members(row), ...ofKind(row) }, rawOf(row))

/** An entity as JSON text. */
export const entityText = (row: EntityRow, more: Readonly<Record<string, unknown>> = {}): string =>
  withRaw(
    {
      ...members(row),
      ...ofKind(row),
      ...(row.kind === 'dataset' ? { version: row.version } : {}),
      created_at: timestamp(row.created_at),
      updated_at: timestamp(row.updated_at),
      ...more,
    },
    {
      ...rawOf(row),
      ...(row.kind === 'dataset' ? { item_schema: row.item_schema ?? 'null', splits: row.splits ?? 'null' } : {}),
    },
  )

/** Entity tag of what a PUT can change. */
export const stateTag = ({ collection_name: _, updated_at: __, ...state }: EntityRow): string => entityTag(state)
