import type { EntityKind } from '../../model/data/entity.ts'
import type { Queries } from '../database/database.ts'

/** Settable fields of a dataset or a trained model. JSON values are text, as they were sent. */
export interface EntityFields {
  name: string
  /** `data_path` or `model_path`. */
  path: string | null
  format: string | null
  metadata_version: string | null
  /** `dataset_metadata` or `model_metadata`. */
  metadata: string | null
  /** `model_attributes`. */
  attributes: string | null
  asset_origin: string | null
  long_description: string | null
  is_private: boolean
  croissant_metadata: string | null
  preview_type: string | null
  /** JSON Schema of the items of a dataset. */
  item_schema: string | null
  /** Weights of the splits of a dataset, by name. */
  splits: string | null
}

export interface EntityRow extends EntityFields {
  id: number
  kind: EntityKind
  collection_id: number
  collection_name: string
  /** Sequence number of the newest version. */
  version: number
  created_at: Date
  updated_at: Date
}

/** The columns that `EntityFields` names, in the order in which they are written. */
export const fieldNames = [
  ...['name', 'path', 'format', 'metadata_version', 'metadata', 'attributes', 'asset_origin', 'long_description'],
  ...['is_private', 'croissant_metadata', 'preview_type', 'item_schema', 'splits'],
] as (keyof EntityFields)[]

export const entityColumns = `e.id, e.kind, e.collection_id, c.name as collection_name, e.version, e.created_at, e.updated_at,
  ${fieldNames.map((name) => `e.${name}`).join(', ')}`

export const entityJoin = 'join collections c on c.id = e.collection_id'

export const findEntity = async (
  queries: Queries,
  at: { kind: EntityKind; collectionId: number; name: string },
): Promise<EntityRow | undefined> =>
  (
    await queries.rows<EntityRow>(
      'find_entity',
      `select ${entityColumns} from entities e ${entityJoin}
       where e.collection_id = $1 and e.kind = $2 and lower(e.name) = lower($3)`,
      [at.collectionId, at.kind, at.name],
    )
  )[0]

export const findEntityById = async (queries: Queries, id: number): Promise<EntityRow | undefined> =>
  (
    await queries.rows<EntityRow>(
      'find_entity_by_id',
      `select ${entityColumns} from entities e ${entityJoin} where e.id = $1`,
      [id],
    )
  )[0]

/** Entities of a kind in some collections; undefined means all collections. */
export interface EntitiesAt {
  kind: EntityKind
  collectionIds: readonly number[] | undefined
}

/** Selects from one page of entities in order of creation. */
const fromPage = <Row>(
  queries: Queries,
  name: string,
  select: (page: string) => string,
  { kind, collectionIds: ids }: EntitiesAt,
  { skip, limit }: { skip: number; limit: number },
): Promise<Row[]> => {
  const where = ids ? 'kind = $1 and collection_id = any($4)' : 'kind = $1'
  return queries.rows<Row>(
    ids ? `${name}_of` : name,
    select(`(select * from entities where ${where} order by id offset $2 limit $3) e`),
    [kind, skip, limit, ...(ids ? [ids] : [])],
  )
}

/** Lists one page of entities in order of creation. */
export const listEntities = (
  queries: Queries,
  at: EntitiesAt,
  page: { skip: number; limit: number },
): Promise<EntityRow[]> =>
  fromPage(
    queries,
    'list_entities',
    (from) => `select ${entityColumns} from ${from} ${entityJoin} order by e.id`,
    at,
    page,
  )

/** The fields that may be large. */
const largeFields = ['metadata', 'attributes', 'croissant_metadata', 'item_schema', 'long_description']

/** Bytes of the large fields of one page of entities. They are not read: the database stores their length beside them. */
export const entityPageBytes = async (
  queries: Queries,
  at: EntitiesAt,
  page: { skip: number; limit: number },
): Promise<number> => {
  const bytes = largeFields.map((field) => `coalesce(octet_length(e.${field}), 0)`).join(' + ')
  const select = (from: string) => `select coalesce(sum(${bytes}), 0)::bigint as bytes from ${from}`
  const [row] = await fromPage<{ bytes: number }>(queries, 'size_entities', select, at, page)
  return row?.bytes ?? 0
}

/** Finds an entity by the names of its collection and its own, in any case. */
export const findEntityInCollection = async (
  queries: Queries,
  at: { kind: EntityKind; collection: string; name: string },
): Promise<EntityRow | undefined> =>
  (
    await queries.rows<EntityRow>(
      'find_entity_in_collection',
      `select ${entityColumns} from entities e ${entityJoin}
       where lower(c.name) = lower($1) and e.kind = $2 and lower(e.name) = lower($3)`,
      [at.collection, at.kind, at.name],
    )
  )[0]
