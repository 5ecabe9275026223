import { batched } from '../../lib/batch.ts'
import { boundSettings, type SettingsLayers } from '../../model/collections/bound-settings.ts'
import { type CollectionSettings, readCollectionSettings } from '../../model/collections/collection-settings.ts'
import type { FoundCollection } from '../../model/collections/identity.ts'
import { isName } from '../../model/names.ts'
import type { Database, Queries } from '../database/database.ts'

export interface CollectionRow {
  id: number
  name: string
  description: string | null
  owner_identifier: string | null
  /** Encrypted JSON text: it may hold credentials. */
  sealed_storage_info: string | null
  storage_provider: string
  created_at: Date
  /** Who pays for it: see `Owner`. */
  payer: number
}

interface NewCollection {
  name: string
  description: string | null
  owner_identifier: string | null
  storage_provider: string
  /** The key that creates the collection: its scope is extended to it, and its payer pays. */
  keyId: number | null
}

/** The columns of a `CollectionRow`. */
export const collectionColumns =
  'id, name, description, owner_identifier, sealed_storage_info, storage_provider, created_at, payer'

/**
 * Finds a collection by name (case-insensitive); concurrent lookups share one query. Illegal names never reach the
 * database.
 */
export const makeCollectionFinder = (database: Database): ((name: string) => Promise<FoundCollection | undefined>) => {
  const find = batched<string, FoundCollection | undefined>(async (names) => {
    const lower = names.map((name) => name.toLowerCase())
    const rows = await database.rows<{ id: number; name: string; payer: number; settings: string | null; key: string }>(
      'find_collections',
      'select id, name, payer, settings, lower(name) as key from collections where lower(name) = any($1)',
      [[...new Set(lower)]],
    )
    const byKey = new Map(
      rows.map(({ key, id, name, payer, settings }) => [
        key,
        { id, name, payer, settings: readCollectionSettings(settings) },
      ]),
    )
    return lower.map((key) => byKey.get(key))
  })
  return async (name) => (isName(name) ? find(name) : undefined)
}

/** Lists one page in order of creation; `ids` undefined means all. */
export const listCollections = (
  database: Database,
  ids: readonly number[] | undefined,
  page: { skip: number; limit: number },
): Promise<CollectionRow[]> =>
  ids
    ? database.rows(
        'list_collections_of',
        `select ${collectionColumns} from collections where id = any($1) order by id offset $2 limit $3`,
        [ids, page.skip, page.limit],
      )
    : database.rows('list_collections', `select ${collectionColumns} from collections order by id offset $1 limit $2`, [
        page.skip,
        page.limit,
      ])

/** Counts the tasks of collections. */
export const countTasks = async (queries: Queries, collectionIds: readonly number[]): Promise<Map<number, number>> => {
  const rows = await queries.rows<{ collection_id: number; total: number }>(
    'count_tasks',
    'select collection_id, count(*)::int as total from tasks where collection_id = any($1::bigint[]) group by 1',
    [collectionIds],
  )
  return new Map(rows.map((row) => [row.collection_id, row.total]))
}

export const findCollectionRow = async (database: Database, id: number): Promise<CollectionRow | undefined> =>
  (
    await database.rows<CollectionRow>('get_collection', `select ${collectionColumns} from collections where id = $1`, [
      id,
    ])
  )[0]

/** Counts the collections that a payer has beside the one that pays. Locks that one: no other is made meanwhile. */
export const countMade = async (queries: Queries, payer: number): Promise<number> => {
  await queries.rows('lock_payer', 'select from collections where id = $1 for no key update', [payer])
  const sql = 'select count(*)::int as total from collections where payer = $1 and id <> $1'
  const [row] = await queries.rows<{ total: number }>('count_made_collections', sql, [payer])
  return row?.total ?? 0
}

/**
 * Creates a collection with its owner agent, and extends the scope of the calling key. Undefined when the name is
 * taken.
 */
export const createCollection = async (
  queries: Queries,
  collection: NewCollection,
): Promise<CollectionRow | undefined> => {
  const [row] = await queries.rows<CollectionRow>(
    'create_collection',
    `with made as (
       insert into collections (name, description, owner_identifier, storage_provider, payer)
       values ($1, $2, $3, $4, (select payer from api_keys where id = $5)) on conflict (lower(name)) do nothing returning ${collectionColumns}
     ), agent as (
       insert into agents (collection_id, name, type) select id, name || ' Owner', 'owner' from made
     ), usage as (
       insert into collection_usage (collection_id, measured_at) select id, now() from made
     ), scope as (
       insert into api_key_collections (key_id, collection_id) select $5, id from made where $5::bigint is not null
     )
     select ${collectionColumns} from made`,
    [
      collection.name,
      collection.description,
      collection.owner_identifier,
      collection.storage_provider,
      collection.keyId,
    ],
  )
  return row
}

export const setOwner = async (database: Database, id: number, owner: string): Promise<CollectionRow | undefined> =>
  (
    await database.rows<CollectionRow>(
      'set_collection_owner',
      `update collections set owner_identifier = $2 where id = $1 returning ${collectionColumns}`,
      [id, owner],
    )
  )[0]

interface StoredLayers {
  operator_settings: string | null
  key_settings: string | null
}

const layersOf = ({ operator_settings, key_settings }: StoredLayers): SettingsLayers => ({
  operator: readCollectionSettings(operator_settings),
  keys: readCollectionSettings(key_settings),
})

/** Reads the settings of a collection by who has set them; undefined when the collection is gone. */
export const readSettingsLayers = async (queries: Queries, id: number): Promise<SettingsLayers | undefined> => {
  const sql = 'select operator_settings, key_settings from collections where id = $1'
  const [row] = await queries.rows<StoredLayers>('settings_layers', sql, [id])
  return row && layersOf(row)
}

const textOf = (settings: Partial<CollectionSettings>): string | null =>
  Object.keys(settings).length === 0 ? null : JSON.stringify(settings)

/** Changes the settings of a collection. Returns all of them, or undefined when the collection is gone. */
export const changeSettingsLayers = (
  database: Database,
  id: number,
  change: (before: SettingsLayers) => SettingsLayers,
): Promise<SettingsLayers | undefined> =>
  database.transaction(async (queries) => {
    const [row] = await queries.rows<StoredLayers>(
      'lock_collection_settings',
      'select operator_settings, key_settings from collections where id = $1 for no key update',
      [id],
    )
    if (!row) return undefined
    const layers = change(layersOf(row))
    await queries.rows(
      'set_collection_settings',
      'update collections set settings = $2, operator_settings = $3, key_settings = $4 where id = $1',
      [id, textOf(boundSettings(layers)), textOf(layers.operator), textOf(layers.keys)],
    )
    return layers
  })

/** Makes a lookup of collection settings by id; concurrent lookups share one query. */
export const makeSettingsReader = (queries: Queries): ((id: number) => Promise<Partial<CollectionSettings>>) =>
  batched(async (ids) => {
    const rows = await queries.rows<{ id: number; settings: string | null }>(
      'settings_of_collections',
      'select id, settings from collections where id = any($1) and settings is not null',
      [[...new Set(ids)]],
    )
    const byId = new Map(rows.map((row) => [row.id, readCollectionSettings(row.settings)]))
    return ids.map((id) => byId.get(id) ?? {})
  })
