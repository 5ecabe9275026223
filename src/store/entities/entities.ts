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
