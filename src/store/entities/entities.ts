import type { EntityKind } from '../../model/data/entity.ts'
import type { Queries } from '../database/database.ts'
import {
  bigint,
  bool,
  type Columns,
  int,
  moment,
  orNull,
  query,
  queryOne,
  type Row,
  table,
  text,
  textOf,
} from '../database/table.ts'

/** Settable fields of a dataset or a trained model. JSON values are text, as they were sent. */
const fields = {
  name: text,
  /** `data_path` or `model_path`. */
  path: orNull(text),
  format: orNull(text),
  metadata_version: orNull(text),
  /** `dataset_metadata` or `model_metadata`. */
  metadata: orNull(text),
  /** `model_attributes`. */
  attributes: orNull(text),
  asset_origin: orNull(text),
  long_description: orNull(text),
  is_private: bool,
  croissant_metadata: orNull(text),
  preview_type: orNull(text),
  /** JSON Schema of the items of a dataset. */
  item_schema: orNull(text),
  /** Weights of the splits of a dataset, by name. */
  splits: orNull(text),
}
export type EntityFields = Row<typeof fields>
export const fieldNames = Object.keys(fields) as (keyof EntityFields)[]

export const entities = table('entities', {
  id: bigint,
  kind: textOf<EntityKind>(),
  collection_id: bigint,
  /** Sequence number of the newest version. */
  version: int,
  created_at: moment,
  updated_at: moment,
  ...fields,
})

/** An entity with the name of its collection. */
export const entity = { ...entities.columns, collection_name: text }
export type EntityRow = Row<typeof entity>

export const entityColumns = `${entities.of('e')}, c.name as collection_name`

export const entityJoin = 'join collections c on c.id = e.collection_id'

export const findEntity = queryOne(
  'find_entity',
  entity,
  `select ${entityColumns} from entities e ${entityJoin}
       where e.collection_id = $1 and e.kind = $2 and lower(e.name) = lower($3)`,
  (at: { kind: EntityKind; collectionId: number; name: string }) => [at.collectionId, at.kind, at.name],
)

export const findEntityById = queryOne(
  'find_entity_by_id',
  entity,
  `select ${entityColumns} from entities e ${entityJoin} where e.id = $1`,
  (id: number) => [id],
)

/** Entities of a kind in some collections; undefined means all collections. */
export interface EntitiesAt {
  kind: EntityKind
  collectionIds: readonly number[] | undefined
}

interface Page {
  skip: number
  limit: number
}

/** Declares a statement about one page of entities in order of creation, for all collections and for some. */
const queryPage = <const Of extends Columns>(name: string, row: Of, select: (page: string) => string) => {
  const page = (where: string) => `(select * from entities where ${where} order by id offset $2 limit $3) e`
  const values = ({ kind, collectionIds: ids }: EntitiesAt, { skip, limit }: Page) => [
    ...[kind, skip, limit],
    ...(ids ? [ids] : []),
  ]
  const ofAll = query(name, row, select(page('kind = $1')), values)
  const ofSome = query(`${name}_of`, row, select(page('kind = $1 and collection_id = any($4)')), values)
  return (queries: Queries, at: EntitiesAt, page: Page) => (at.collectionIds ? ofSome : ofAll)(queries, at, page)
}

/** Lists one page of entities in order of creation. */
export const listEntities = queryPage(
  'list_entities',
  entity,
  (from) => `select ${entityColumns} from ${from} ${entityJoin} order by e.id`,
)

const largeFields = ['metadata', 'attributes', 'croissant_metadata', 'item_schema', 'long_description']
const largeBytes = largeFields.map((field) => `coalesce(octet_length(e.${field}), 0)`).join(' + ')
const sizeOfPage = queryPage(
  'size_entities',
  { bytes: bigint },
  (from) => `select coalesce(sum(${largeBytes}), 0)::bigint as bytes from ${from}`,
)

/** Bytes of the large fields of one page of entities. They are not read: the database stores their length beside them. */
export const entityPageBytes = async (queries: Queries, at: EntitiesAt, page: Page): Promise<number> =>
  (await sizeOfPage(queries, at, page))[0]?.bytes ?? 0

/** Finds an entity by the names of its collection and its own, in any case. */
export const findEntityInCollection = queryOne(
  'find_entity_in_collection',
  entity,
  `select ${entityColumns} from entities e ${entityJoin}
       where lower(c.name) = lower($1) and e.kind = $2 and lower(e.name) = lower($3)`,
  (at: { kind: EntityKind; collection: string; name: string }) => [at.collection, at.kind, at.name],
)

/** What a search shows of an entity. */
export type FoundEntity = Pick<
  EntityRow,
  'kind' | 'name' | 'collection_name' | 'is_private' | 'long_description' | 'metadata'
>

/** Larger metadata is left out of hits: a hundred of them are read at once. */
const largestFoundMetadata = 1024 * 1024
/** Rows that are ranked of each place and kind of match: a common word must not read them all. */
const mostRanked = 500

/** A LIKE pattern with `%`, `_` and `\` escaped. */
const escaped = (text: string): string => text.replace(/[\\%_]/g, '\\$&')

/** Whether the index by trigrams can find a text: it knows words by three letters or digits in a row. */
const hasTrigram = (text: string): boolean => /[\p{L}\p{N}]{3}/u.test(text)

const inName = 'e.name ilike $2'
const inText = ['e.long_description ilike $2', 'left(e.metadata, 100000) ilike $2']
/** A full name, such as `dataset/acme/jobs`: what stands before the entity's name is looked for in its collection. */
const inFullName = `($1 || '/' || c.name ilike $2 or ($1 || '/' || c.name || '/' ilike $4::text and e.name ilike $5))`

/** Selects entities that match by a condition on `e` alone: public ones, and those of the caller's collections. */
const matching = (condition: string, rank: number, isForAll: boolean): string[] => [
  `(select e.id, ${rank} as rank from entities e where e.kind = $1 and not e.is_private and ${condition} limit ${mostRanked})`,
  isForAll
    ? `(select e.id, ${rank} from entities e where e.kind = $1 and e.is_private and ${condition} limit ${mostRanked})`
    : `(select found.id, ${rank} from unnest($6::bigint[]) own(id) cross join lateral (
         select e.id from entities e
         where e.collection_id = own.id and e.kind = $1 and e.is_private and ${condition} limit ${mostRanked}) found)`,
]

/** Selects entities that match by their full names. */
const matchingFullName = (isForAll: boolean): string[] =>
  ['not e.is_private', isForAll ? 'e.is_private' : 'e.is_private and c.id = any($6::bigint[])'].map(
    (where) => `(select e.id, 0 as rank from collections c join entities e on e.collection_id = c.id
      where ${inFullName} and e.kind = $1 and ${where} limit ${mostRanked})`,
  )

const searchText = (isForAll: boolean, isInText: boolean): string => `
  select e.kind, e.name, c.name as collection_name, e.is_private, left(e.long_description, 10000) as long_description,
    case when octet_length(e.metadata) <= ${largestFoundMetadata} then e.metadata end as metadata
  from (
    select id, min(rank) as rank from (${[
      ...matchingFullName(isForAll),
      ...matching(inName, 0, isForAll),
      ...(isInText ? inText.flatMap((condition, at) => matching(condition, at + 1, isForAll)) : []),
    ].join(' union all ')}) matched
    group by id order by min(rank), id limit $3) ranked
  join entities e on e.id = ranked.id ${entityJoin} order by ranked.rank, e.id`

/**
 * Searches for a text in names, full names such as `dataset/acme/jobs`, descriptions, and the first 100,000 characters
 * of metadata. A text without three letters or digits in a row is searched in names only. Finds public entities, and
 * those of the given collections; undefined means all.
 */
export const searchEntities = (
  queries: Queries,
  { kind, collectionIds }: EntitiesAt,
  { text, limit }: { text: string; limit: number },
): Promise<FoundEntity[]> => {
  const slash = text.lastIndexOf('/') + 1
  const isForAll = collectionIds === undefined
  const isInText = hasTrigram(text)
  return queries.rows<FoundEntity>(
    `search_entities${isForAll ? '' : '_of'}${isInText ? '' : '_by_name'}`,
    searchText(isForAll, isInText),
    [
      ...[kind, `%${escaped(text)}%`, limit],
      ...[slash === 0 ? null : `%${escaped(text.slice(0, slash))}`, `${escaped(text.slice(slash))}%`],
      ...(isForAll ? [] : [collectionIds]),
    ],
  )
}
