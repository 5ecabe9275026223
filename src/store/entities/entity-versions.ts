import type { Queries } from '../database/database.ts'
import { change, orNull, text } from '../database/table.ts'
import { contentHash, declareVersions } from '../versions.ts'
import type { EntityRow } from './entities.ts'

/** What the version says about the items of a dataset; undefined for entities without items. */
export interface VersionItems {
  count: number
  /** SHA-256 over ids and hashes of all items. */
  hash: string
}

const parsed = (text: string | null): unknown => (text === null ? null : JSON.parse(text))

/** Versioned content in the form that clients know. The preview is no part of it. */
const versionedContent = (row: EntityRow, items?: VersionItems): Record<string, unknown> => {
  const shared = {
    name: row.name,
    entity_type: row.kind,
    is_private: row.is_private,
    croissant_metadata: parsed(row.croissant_metadata),
    metadata_version: row.metadata_version,
    asset_origin: row.asset_origin,
    long_description: row.long_description,
  }
  return row.kind === 'dataset'
    ? {
        ...shared,
        data_path: row.path,
        format: row.format,
        dataset_metadata: parsed(row.metadata),
        ...(row.item_schema === null ? {} : { item_schema: parsed(row.item_schema) }),
        ...(row.splits === null ? {} : { splits: parsed(row.splits) }),
        ...(items === undefined ? {} : { items }),
      }
    : {
        ...shared,
        model_path: row.path,
        model_metadata: parsed(row.metadata),
        model_attributes: parsed(row.attributes),
      }
}

const insertVersion = change(
  'append_entity_version',
  `insert into entity_versions (entity_id, seq, operation_type, content_hash, data, fields_seq, items, tag, author, created_at)
     values ($1, $2, $3, $4, $5,
       case when $5::text is null then (select coalesce(fields_seq, seq) from entity_versions where entity_id = $1 and seq = $2 - 1) end,
       $6, $7, $8, $9)`,
  (row: EntityRow, saved: SavedVersion, hash: string, fields: object) => [
    ...[row.id, row.version, saved.operation, hash, saved.sameFields ? null : JSON.stringify(fields)],
    ...[saved.items ? JSON.stringify(saved.items) : null, row.metadata_version, saved.author, row.updated_at],
  ],
)

interface SavedVersion {
  operation: 'INSERT' | 'UPDATE'
  author: string
  items?: VersionItems | undefined
  sameFields?: boolean
}

/**
 * Appends a version with the content of a row. The row must be new or locked by this transaction, because versions are
 * numbered without gaps. With `sameFields` only items have changed: the fields of the version before are not stored again.
 */
export const appendEntityVersion = async (queries: Queries, row: EntityRow, saved: SavedVersion): Promise<void> => {
  const content = versionedContent(row, saved.items)
  const hash = contentHash(content)
  const { items: _, ...fields } = content
  await insertVersion(queries, row, saved, hash, fields)
}

export const entityVersions = declareVersions({
  noun: 'entity',
  tag: 'tag',
  columns: { content_hash: text, fields: text, items: orNull(text) },
  // A version of which only items changed has the fields of one before it.
  content: (whole) =>
    `v.content_hash, case when ${whole} then coalesce(v.data,
       (select f.data from entity_versions f where f.entity_id = v.entity_id and f.seq = v.fields_seq)) else '{}' end as fields,
       v.items from entity_versions v`,
  read: ({ content_hash, fields, items }) => ({
    content_hash,
    data: items === null ? fields : JSON.stringify({ ...JSON.parse(fields), items: JSON.parse(items) }),
  }),
})
