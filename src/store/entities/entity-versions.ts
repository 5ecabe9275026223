import { createHash } from 'node:crypto'
import { canonicalJson } from '../../lib/json/json-text.ts'
import type { Queries } from '../database/database.ts'
import {
  bigint,
  type Columns,
  change,
  int,
  list,
  moment,
  orNull,
  query,
  type Row,
  text,
  textOf,
} from '../database/table.ts'
import type { EntityRow } from './entities.ts'

const version = {
  transaction_id: bigint,
  entity_id: bigint,
  /** 0 is the oldest. */
  seq: int,
  operation_type: textOf<'INSERT' | 'UPDATE'>(),
  content_hash: text,
  /** `metadata_version` when it was saved. */
  tag: orNull(text),
  /** Tags that were set afterwards. */
  tags: list(text),
  author: orNull(text),
  created_at: moment,
}
/** A version with JSON text of its fields and of what it says about items. */
const storedVersion = { ...version, fields: text, items: orNull(text) }
type StoredVersion = Row<typeof storedVersion>

/** Content of an entity at some time. */
export interface EntityVersionRow extends Row<typeof version> {
  /** JSON text of the content. */
  data: string
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
  const hash = createHash('sha256').update(canonicalJson(content)).digest('hex')
  const { items: _, ...fields } = content
  await insertVersion(queries, row, saved, hash, fields)
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

/** Puts the items of a version to its fields. */
const composed = ({ fields, items, ...row }: StoredVersion): EntityVersionRow => ({
  ...row,
  data: items === null ? fields : JSON.stringify({ ...JSON.parse(fields), items: JSON.parse(items) }),
})

const listStored = query(
  'list_entity_versions',
  storedVersion,
  `${select('$4')} where v.entity_id = $1 and v.seq <= $2 order by v.seq desc limit $3`,
  (entityId: number, page: { from: number; limit: number; whole: boolean }) => [
    ...[entityId, page.from, page.limit, page.whole],
  ],
)

/** Lists versions from a sequence number downwards, newest first; with their content when `whole`. */
export const listEntityVersions = async (...given: Parameters<typeof listStored>): Promise<EntityVersionRow[]> =>
  (await listStored(...given)).map(composed)

/** Declares a statement that finds a version of an entity. */
const findVersion = <By>(name: string, row: Columns, text: string) => {
  const find = query(name, row, text, (entityId: number, by: By) => [entityId, by])
  return async (queries: Queries, entityId: number, by: By): Promise<EntityVersionRow | undefined> =>
    ((await find(queries, entityId, by)) as StoredVersion[]).map(composed)[0]
}

export const findEntityVersionAt = findVersion<number>(
  'find_entity_version_at',
  storedVersion,
  `${select()} where v.entity_id = $1 and v.seq = $2`,
)

/** Finds the newest version with that content. */
export const findEntityVersionByHash = findVersion<string>(
  'find_entity_version_by_hash',
  storedVersion,
  `${select()} where v.entity_id = $1 and v.content_hash = $2 order by v.seq desc limit 1`,
)

/** Finds the version that the tag was set on, or else the newest one that was saved under it. */
export const findEntityVersionByTag = findVersion<string>(
  'find_entity_version_by_tag',
  { rank: int, ...storedVersion },
  `select * from (
         (select 0 as rank, v.* from (${select()}) v join entity_tags t on t.entity_id = v.entity_id and t.seq = v.seq
          where t.entity_id = $1 and t.tag = $2)
         union all
         (select 1 as rank, v.* from (${select()}
            where v.entity_id = $1 and left(v.tag, 200) = left($2, 200) and v.tag = $2 order by v.seq desc limit 1) v)
       ) found order by rank limit 1`,
)

/** Sets a tag on a version; a tag that exists moves. */
export const setEntityTag = change(
  'set_entity_tag',
  `insert into entity_tags (entity_id, tag, seq, author) values ($1, $2, $3, $4)
     on conflict (entity_id, tag) do update set seq = excluded.seq, author = excluded.author, created_at = now()`,
  (entityId: number, set: { tag: string; seq: number; author: string }) => [entityId, set.tag, set.seq, set.author],
)

/** Removes a tag; false when there was none. */
export const removeEntityTag = change(
  'remove_entity_tag',
  'delete from entity_tags where entity_id = $1 and tag = $2 returning tag',
  (entityId: number, tag: string) => [entityId, tag],
)
