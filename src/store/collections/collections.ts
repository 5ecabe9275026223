import { batched } from '../../lib/batch.ts'
import type { Sealer } from '../../lib/secrets/crypto.ts'
import { boundSettings, type SettingsLayers } from '../../model/collections/bound-settings.ts'
import { type CollectionSettings, readCollectionSettings } from '../../model/collections/collection-settings.ts'
import type { FoundCollection } from '../../model/collections/identity.ts'
import { isName } from '../../model/names.ts'
import type { Database, Queries } from '../database/database.ts'
import {
  bigint,
  change,
  int,
  moment,
  namesOf,
  orNull,
  type Page,
  pick,
  query,
  queryOne,
  queryValue,
  type Row,
  text,
} from '../database/table.ts'
import { storageInfoSeal } from '../secrets/sealed-texts.ts'
import { setCollectionExport } from '../trace-exports.ts'

const collection = {
  id: bigint,
  name: text,
  description: orNull(text),
  owner_identifier: orNull(text),
  /** Encrypted JSON text: it may hold credentials. */
  sealed_storage_info: orNull(text),
  storage_provider: text,
  created_at: moment,
  /** Who pays for it: see `Owner`. */
  payer: bigint,
}
export type CollectionRow = Row<typeof collection>
const collectionColumns = namesOf(collection)

interface NewCollection extends Pick<CollectionRow, 'name' | 'description' | 'owner_identifier' | 'storage_provider'> {
  /** The key that creates the collection: its scope is extended to it, and its payer pays. */
  keyId: number | null
}

const findByNames = query(
  'find_collections',
  { ...pick(collection, ['id', 'name', 'payer']), settings: orNull(text), key: text },
  'select id, name, payer, settings, lower(name) as key from collections where lower(name) = any($1)',
  (lower: string[]) => [[...new Set(lower)]],
  (rows): Map<string, FoundCollection> =>
    new Map(rows.map(({ key, settings, ...one }) => [key, { ...one, settings: readCollectionSettings(settings) }])),
)

/**
 * Finds a collection by name (case-insensitive); concurrent lookups share one query. Illegal names never reach the
 * database.
 */
export const makeCollectionFinder = (database: Database): ((name: string) => Promise<FoundCollection | undefined>) => {
  const find = batched<string, FoundCollection | undefined>(async (names) => {
    const lower = names.map((name) => name.toLowerCase())
    const byKey = await findByNames(database, lower)
    return lower.map((key) => byKey.get(key))
  })
  return async (name) => (isName(name) ? find(name) : undefined)
}

const listAll = query(
  'list_collections',
  collection,
  `select ${collectionColumns} from collections order by id offset $1 limit $2`,
  ({ skip, limit }: Page) => [skip, limit],
)
const listThese = query(
  'list_collections_of',
  collection,
  `select ${collectionColumns} from collections where id = any($1) order by id offset $2 limit $3`,
  (ids: readonly number[], { skip, limit }: Page) => [ids, skip, limit],
)

/** Lists one page in order of creation; `ids` undefined means all. */
export const listCollections = (
  database: Database,
  ids: readonly number[] | undefined,
  page: Page,
): Promise<CollectionRow[]> => (ids ? listThese(database, ids, page) : listAll(database, page))

/** Counts the tasks of collections. */
export const countTasks = query(
  'count_tasks',
  { collection_id: bigint, total: int },
  'select collection_id, count(*)::int as total from tasks where collection_id = any($1::bigint[]) group by 1',
  (collectionIds: readonly number[]) => [collectionIds],
  (rows) => new Map(rows.map((row) => [row.collection_id, row.total])),
)

export const findCollectionRow = queryOne(
  'get_collection',
  collection,
  `select ${collectionColumns} from collections where id = $1`,
  (id: number) => [id],
)

const lockPayer = query(
  'lock_payer',
  {},
  'select from collections where id = $1 for no key update',
  (payer: number) => [payer],
)
const countOthers = queryValue(
  'count_made_collections',
  { total: int },
  'select count(*)::int as total from collections where payer = $1 and id <> $1',
  (payer: number) => [payer],
)

/** Counts the collections that a payer has beside the one that pays. Locks that one: no other is made meanwhile. */
export const countMade = async (queries: Queries, payer: number): Promise<number> => {
  await lockPayer(queries, payer)
  return countOthers(queries, payer)
}

/**
 * Creates a collection with its owner agent, and extends the scope of the calling key. Undefined when the name is
 * taken.
 */
export const createCollection = queryOne(
  'create_collection',
  collection,
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
  (made: NewCollection) => [made.name, made.description, made.owner_identifier, made.storage_provider, made.keyId],
)

export const setOwner = queryOne(
  'set_collection_owner',
  collection,
  `update collections set owner_identifier = $2 where id = $1 returning ${collectionColumns}`,
  (id: number, owner: string) => [id, owner],
)

/** JSON texts. */
const layers = { operator_settings: orNull(text), key_settings: orNull(text) }

const layersOf = (row: Row<typeof layers> | undefined): SettingsLayers | undefined =>
  row && {
    operator: readCollectionSettings(row.operator_settings),
    keys: readCollectionSettings(row.key_settings),
  }

const settingsLayers = (name: string, lock: string) =>
  queryOne(
    name,
    layers,
    `select operator_settings, key_settings from collections where id = $1${lock}`,
    (id: number) => [id],
    layersOf,
  )
/** Reads the settings of a collection by who has set them; undefined when the collection is gone. */
export const readSettingsLayers = settingsLayers('settings_layers', '')
const lockSettings = settingsLayers('lock_collection_settings', ' for no key update')

const textOf = (settings: Partial<CollectionSettings>): string | null =>
  Object.keys(settings).length === 0 ? null : JSON.stringify(settings)

const writeSettings = change(
  'set_collection_settings',
  'update collections set settings = $2, operator_settings = $3, key_settings = $4 where id = $1',
  (id: number, all: SettingsLayers) => [id, textOf(boundSettings(all)), textOf(all.operator), textOf(all.keys)],
)

/** Changes the settings of a collection. Returns all of them, or undefined when the collection is gone. */
export const changeSettingsLayers = (
  database: Database,
  id: number,
  change: (before: SettingsLayers) => SettingsLayers,
): Promise<SettingsLayers | undefined> =>
  database.transaction(async (queries) => {
    const before = await lockSettings(queries, id)
    if (!before) return undefined
    const layers = change(before)
    await writeSettings(queries, id, layers)
    await setCollectionExport(queries, id, Boolean(boundSettings(layers).trace_export?.url))
    return layers
  })

const findSettings = query(
  'settings_of_collections',
  { id: bigint, settings: text },
  'select id, settings from collections where id = any($1) and settings is not null',
  (ids: readonly number[]) => [[...new Set(ids)]],
  (rows) => new Map(rows.map((row) => [row.id, readCollectionSettings(row.settings)])),
)

/** Makes a lookup of collection settings by id; concurrent lookups share one query. */
export const makeSettingsReader = (queries: Queries): ((id: number) => Promise<Partial<CollectionSettings>>) =>
  batched(async (ids) => {
    const byId = await findSettings(queries, ids)
    return ids.map((id) => byId.get(id) ?? {})
  })

/** Decrypts the storage configuration of a collection: JSON text that may hold credentials. */
export const openStorageInfo = (
  sealer: Sealer,
  row: Pick<CollectionRow, 'id' | 'sealed_storage_info'>,
): string | null =>
  row.sealed_storage_info === null ? null : sealer.open(row.sealed_storage_info, storageInfoSeal(row.id))

/** Replaces the given values; undefined keeps the stored one. */
export const setStorage = queryOne(
  'set_collection_storage',
  collection,
  `update collections set sealed_storage_info = case when $2 then $3 else sealed_storage_info end,
     storage_provider = coalesce($4, storage_provider) where id = $1 returning ${collectionColumns}`,
  (
    sealer: Sealer,
    id: number,
    { info, provider }: { info?: string | null | undefined; provider?: string | undefined },
  ) => {
    const sealed = typeof info === 'string' ? sealer.seal(info, storageInfoSeal(id)) : null
    return [id, info !== undefined, sealed, provider ?? null]
  },
)

const sealedAtOnce = 500

const readUnsealed = query(
  'unsealed_storage_info',
  { id: bigint, plain: text },
  'select id, unsealed_storage_info as plain from collections where unsealed_storage_info is not null limit $1',
  () => [sealedAtOnce],
)
const writeSealed = change(
  'seal_storage_info',
  `update collections c set sealed_storage_info = coalesce(c.sealed_storage_info, u.sealed), unsealed_storage_info = null
   from unnest($1::bigint[], $2::text[]) u(id, sealed) where c.id = u.id and c.unsealed_storage_info is not null`,
  (sealer: Sealer, rows: { id: number; plain: string }[]) => [
    rows.map(({ id }) => id),
    rows.map(({ id, plain }) => sealer.seal(plain, storageInfoSeal(id))),
  ],
)

/**
 * Encrypts values written by versions that stored them in plain text. Runs at every start, safely from several
 * processes.
 */
export const sealOldStorageInfo = async (database: Database, sealer: Sealer): Promise<void> => {
  for (;;) {
    const rows = await readUnsealed(database)
    if (rows.length === 0) return
    await writeSealed(database, sealer, rows)
  }
}
