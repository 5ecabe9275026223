import { createHash } from 'node:crypto'
import { canonicalJson } from '../../lib/json/json-text.ts'
import type { Queries } from '../database/database.ts'
import type { EntityRow } from './entities.ts'

/** Content of an entity at some time. */
export interface EntityVersionRow {
  transaction_id: number
  entity_id: number
  /** 0 is the oldest. */
  seq: number
  operation_type: 'INSERT' | 'UPDATE'
  content_hash: string
  /** JSON text of the content. */
  data: string
  /** `metadata_version` when it was saved. */
  tag: string | null
  /** Tags that were set afterwards. */
  tags: string[]
  author: string | null
  created_at: Date
}

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

/**
 * Appends a version with the content of a row. The row must be new or locked by this transaction, because versions are
 * numbered without gaps. With `sameFields` only items have changed: the fields of the version before are not stored again.
 */
export const appendEntityVersion = async (
  queries: Queries,
  row: EntityRow,
  saved: { operation: 'INSERT' | 'UPDATE'; author: string; items?: VersionItems | undefined; sameFields?: boolean },
): Promise<void> => {
  const content = versionedContent(row, saved.items)
  const hash = createHash('sha256').update(canonicalJson(content)).digest('hex')
  const { items: _, ...fields } = content
  await queries.rows(
    'append_entity_version',
    `insert into entity_versions (entity_id, seq, operation_type, content_hash, data, fields_seq, items, tag, author, created_at)
     values ($1, $2, $3, $4, $5,
       case when $5::text is null then (select coalesce(fields_seq, seq) from entity_versions where entity_id = $1 and seq = $2 - 1) end,
       $6, $7, $8, $9)`,
    [
      ...[row.id, row.version, saved.operation, hash, saved.sameFields ? null : JSON.stringify(fields)],
      ...[saved.items ? JSON.stringify(saved.items) : null, row.metadata_version, saved.author, row.updated_at],
    ],
  )
}

/** Selects versions; `isWhole` says when their fields are read, which may be large. */
const select = (
  isWhole = 'true',
) => `select v.id as transaction_id, v.entity_id, v.seq, v.operation_type, v.content_hash, v.tag, v.author,
    v.created_at, v.items,
    case when ${isWhole} then coalesce(v.data,
      (select f.data from entity_versions f where f.entity_id = v.entity_id and f.seq = v.fields_seq)) else '{}' end as fields,
    array(select t.tag from entity_tags t where t.entity_id = v.entity_id and t.seq = v.seq order by t.tag) as tags
  from entity_versions v`

type StoredVersion = Omit<EntityVersionRow, 'data'> & { fields: string; items: string | null }

/** Puts the items of a version to its fields. */
const composed = ({ fields, items, ...row }: StoredVersion): EntityVersionRow => ({
  ...row,
  data: items === null ? fields : JSON.stringify({ ...JSON.parse(fields), items: JSON.parse(items) }),
})

const first = (rows: StoredVersion[]): EntityVersionRow | undefined => rows.map(composed)[0]

/** Lists versions from a sequence number downwards, newest first; with their content when `whole`. */
export const listEntityVersions = async (
  queries: Queries,
  entityId: number,
  page: { from: number; limit: number; whole: boolean },
): Promise<EntityVersionRow[]> =>
  (
    await queries.rows<StoredVersion>(
      'list_entity_versions',
      `${select('$4')} where v.entity_id = $1 and v.seq <= $2 order by v.seq desc limit $3`,
      [entityId, page.from, page.limit, page.whole],
    )
  ).map(composed)

export const findEntityVersionAt = async (
  queries: Queries,
  entityId: number,
  seq: number,
): Promise<EntityVersionRow | undefined> =>
  first(
    await queries.rows<StoredVersion>('find_entity_version_at', `${select()} where v.entity_id = $1 and v.seq = $2`, [
      entityId,
      seq,
    ]),
  )

/** Finds the newest version with that content. */
export const findEntityVersionByHash = async (
  queries: Queries,
  entityId: number,
  hash: string,
): Promise<EntityVersionRow | undefined> =>
  first(
    await queries.rows<StoredVersion>(
      'find_entity_version_by_hash',
      `${select()} where v.entity_id = $1 and v.content_hash = $2 order by v.seq desc limit 1`,
      [entityId, hash],
    ),
  )

/** Finds the version that the tag was set on, or else the newest one that was saved under it. */
export const findEntityVersionByTag = async (
  queries: Queries,
  entityId: number,
  tag: string,
): Promise<EntityVersionRow | undefined> =>
  first(
    await queries.rows<StoredVersion>(
      'find_entity_version_by_tag',
      `select * from (
         (select 0 as rank, v.* from (${select()}) v join entity_tags t on t.entity_id = v.entity_id and t.seq = v.seq
          where t.entity_id = $1 and t.tag = $2)
         union all
         (select 1 as rank, v.* from (${select()}
            where v.entity_id = $1 and left(v.tag, 200) = left($2, 200) and v.tag = $2 order by v.seq desc limit 1) v)
       ) found order by rank limit 1`,
      [entityId, tag],
    ),
  )

/** Sets a tag on a version; a tag that exists moves. */
export const setEntityTag = async (
  queries: Queries,
  entityId: number,
  { tag, seq, author }: { tag: string; seq: number; author: string },
): Promise<void> => {
  await queries.rows(
    'set_entity_tag',
    `insert into entity_tags (entity_id, tag, seq, author) values ($1, $2, $3, $4)
     on conflict (entity_id, tag) do update set seq = excluded.seq, author = excluded.author, created_at = now()`,
    [entityId, tag, seq, author],
  )
}

/** Removes a tag; false when there was none. */
export const removeEntityTag = async (queries: Queries, entityId: number, tag: string): Promise<boolean> =>
  (
    await queries.rows('remove_entity_tag', 'delete from entity_tags where entity_id = $1 and tag = $2 returning tag', [
      entityId,
      tag,
    ])
  ).length > 0
