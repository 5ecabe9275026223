import { batched } from '../../lib/batch.ts'
import { now } from '../../lib/time.ts'
import type { KeyAccess } from '../../model/collections/key.ts'
import type { Database, Queries } from '../database/database.ts'
import {
  bigint,
  bool,
  change,
  float,
  list,
  moment,
  namesOf,
  orNull,
  type Page,
  query,
  queryOne,
  type Row,
  text,
  textOf,
} from '../database/table.ts'

const ownColumns = {
  id: bigint,
  name: text,
  key_prefix: text,
  access_level: textOf<KeyAccess>(),
  is_active: bool,
  expires_at: orNull(moment),
  last_used_at: orNull(moment),
  /** Default collection of requests that name none. Null when it was deleted and several others are left. */
  home_collection_id: orNull(bigint),
  /** Who pays for what it makes: see `Owner`. */
  payer: bigint,
}

/** What authentication reads of a key. */
export const knownKey = {
  ...ownColumns,
  /** Ids of the collections the key covers. */
  collection_ids: list(float),
}
export type KnownKey = Row<typeof knownKey>

/** SQL: the columns of a `KnownKey`, from `api_keys k`. */
export const knownKeyColumns = `${namesOf(ownColumns, 'k')},
  array(select s.collection_id from api_key_collections s where s.key_id = k.id order by s.collection_id)::float8[]
    as collection_ids`

const key = {
  ...knownKey,
  /** Names of the collections, in the order of their ids. */
  collections: list(text),
  created_at: moment,
  /** The key that created this one, while it exists. */
  made_by: orNull(bigint),
  /** Display name of the creator. */
  created_by: orNull(text),
}
export type KeyRow = Row<typeof key>

const keyColumns = `${knownKeyColumns},
  array(select n.name from api_key_collections s join collections n on n.id = s.collection_id
        where s.key_id = k.id order by n.id) as collections,
  k.created_at, k.made_by, k.created_by`

const findByHashes = query(
  'find_keys',
  { key_hash: text, ...knownKey },
  `select k.key_hash, ${knownKeyColumns} from api_keys k where k.key_hash = any($1)`,
  (hashes: readonly string[]) => [[...new Set(hashes)]],
  (rows) => new Map(rows.map((row) => [row.key_hash, row])),
)

/**
 * Finds a key by hash; concurrent lookups share one query. Not cached, so a revocation takes effect with the next
 * request.
 */
export const makeKeyFinder = (database: Database): ((hash: string) => Promise<KnownKey | undefined>) =>
  batched<string, KnownKey | undefined>(async (hashes) => {
    const byHash = await findByHashes(database, hashes)
    return hashes.map((hash) => byHash.get(hash))
  })

/** Finds keys by their ids, as authentication reads them. */
export const findKnownKeys = query(
  'find_known_keys',
  knownKey,
  `select ${knownKeyColumns} from api_keys k where k.id = any($1)`,
  (ids: readonly number[]) => [ids],
)

const touchKeys = change(
  'touch_keys',
  `update api_keys set last_used_at = now()
   where id = any($1) and (last_used_at is null or last_used_at < now() - interval '1 minute')`,
  (ids: readonly number[]) => [[...new Set(ids)].sort((a, b) => a - b)],
)

/** Records the last use of keys, at most once a minute each; its failures are ignored. */
export const makeKeyToucher = (database: Database): ((key: KnownKey) => void) => {
  const touch = batched<number, void>(async (ids) => {
    await touchKeys(database, ids)
    return ids.map(() => undefined)
  })
  return ({ id, last_used_at }) => {
    if (!last_used_at || now() - last_used_at.getTime() > 60_000) touch(id).catch(() => {})
  }
}

interface NewKey {
  name: string
  hash: string
  prefix: string
  access: KeyAccess
  expiresAt: Date | null
  /** The creating key; null for the admin. */
  madeBy: number | null
  createdBy: string
  /** The first one becomes the home collection. */
  collectionIds: number[]
}

export const findKeyRow = queryOne(
  'find_key',
  key,
  `select ${keyColumns} from api_keys k where k.id = $1`,
  (id: number) => [id],
)

/** Lists one page of the keys that cover a collection, newest first. */
export const listKeys = query(
  'list_keys',
  key,
  `select ${keyColumns} from api_key_collections of_this join api_keys k on k.id = of_this.key_id
   where of_this.collection_id = $1 order by of_this.key_id desc offset $2 limit $3`,
  (collectionId: number, page: Page) => [collectionId, page.skip, page.limit],
)

const insertKey = queryOne(
  'create_key',
  { id: orNull(bigint), may: bool },
  `with maker as (select id from api_keys where id = $8 and is_active for share), k as (
     insert into api_keys (home_collection_id, name, key_hash, key_prefix, access_level, expires_at, made_by, created_by, payer)
     select $1, $2, $3, $4, $5, $6::timestamptz, $8::bigint, $9,
       coalesce((select payer from api_keys where id = $8::bigint), (select payer from collections where id = $1))
     where $8::bigint is null or exists (select from maker) on conflict (home_collection_id, name) do nothing returning id
   ), s as (
     insert into api_key_collections (key_id, collection_id) select k.id, covered from k, unnest($7::bigint[]) covered
   )
   select (select id from k) as id, $8::bigint is null or exists (select from maker) as may`,
  ({ collectionIds, name, hash, prefix, access, expiresAt, madeBy, createdBy }: NewKey) => [
    ...[collectionIds[0], name, hash, prefix, access, expiresAt, [...new Set(collectionIds)], madeBy, createdBy],
  ],
)

/**
 * Creates a key and returns its id. `taken`: its home collection has a key of that name. `gone`: a collection was
 * deleted meanwhile. `refused`: the creating key was deleted or switched off while the request was under way.
 */
export const createKey = async (database: Database, key: NewKey): Promise<number | 'taken' | 'gone' | 'refused'> => {
  try {
    const row = await insertKey(database, key)
    return row?.id ?? (row?.may ? 'taken' : 'refused')
  } catch (error) {
    if ((error as { code?: string }).code === '23503') return 'gone'
    throw error
  }
}

export interface KeyChange {
  name?: string | undefined
  is_active?: boolean | undefined
  /** The new home collection; the key must cover it. */
  homeId?: number | undefined
  /** The new expiry; null: none. */
  expiresAt?: Date | null
}

// Checked before the unique index: two keys that swap names would deadlock on it.
const isNameTaken = change(
  'is_key_name_taken',
  `select from api_keys k join api_keys other on other.home_collection_id = coalesce($3, k.home_collection_id)
   where k.id = $1 and other.name = coalesce($2, k.name) and other.id <> $1`,
  (id: number, { name, homeId }: KeyChange) => [id, name ?? null, homeId ?? null],
)
const writeKey = change(
  'update_key',
  `update api_keys set name = coalesce($2, name), is_active = coalesce($3, is_active),
     home_collection_id = coalesce($4, home_collection_id), expires_at = case when $5 then $6 else expires_at end
   where id = $1 and ($4::bigint is null
     or exists (select from api_key_collections s where s.key_id = $1 and s.collection_id = $4))
   returning id`,
  (id: number, { name, is_active, homeId, expiresAt }: KeyChange) => [
    ...[id, name ?? null, is_active ?? null, homeId ?? null, expiresAt !== undefined, expiresAt ?? null],
  ],
)

/**
 * Updates a key. `taken`: the home collection has another key of that name. Undefined: the key or its new home is gone.
 */
export const updateKey = async (
  database: Database,
  id: number,
  change: KeyChange,
): Promise<'changed' | 'taken' | undefined> => {
  if (await isNameTaken(database, id, change)) return 'taken'
  try {
    return (await writeKey(database, id, change)) ? 'changed' : undefined
  } catch (error) {
    const { code } = error as { code?: string }
    if (code === '23505') return 'taken'
    if (code === '23503') return undefined
    throw error
  }
}

const lockKeys = query(
  'lock_keys',
  { id: bigint },
  'select id from api_keys where id = any($1) order by id for update',
  (ids: number[]) => [ids],
)
const keysBelow = query(
  'keys_below',
  { id: bigint },
  `with recursive below as (
     select id from api_keys where id = $1
     union select k.id from api_keys k join below b on k.made_by = b.id)
   select id from below order by id`,
  (id: number) => [id],
  (rows) => rows.map((row) => row.id),
)

/**
 * Locks a key and all its descendants. Repeats until no new descendant appears, so none can be created until the
 * transaction ends.
 */
const lockBelow = async (queries: Queries, id: number): Promise<number[]> => {
  for (let locked: number[] = [id]; ; ) {
    await lockKeys(queries, locked)
    const below = await keysBelow(queries, id)
    if (below.every((one) => locked.includes(one))) return below
    locked = below
  }
}

/** Ids of the keys that a key created directly. */
export const madeWith = query(
  'keys_made_with',
  { id: bigint },
  'select id from api_keys where made_by = $1 order by id',
  (id: number) => [id],
  (rows) => rows.map((row) => row.id),
)

/** Deletes a key; keys it created become children of its own creator. False when it is gone. */
export const deleteKey = change(
  'delete_key',
  `with gone as (delete from api_keys where id = $1 returning id, made_by),
     passed as (update api_keys k set made_by = gone.made_by from gone where k.made_by = gone.id)
   select id from gone`,
  (id: number) => [id],
)

const namedCollection = { id: bigint, name: text }

/** The collections that a key covers: a change of its sessions concerns each of them. */
export const collectionsOfKey = query(
  'collections_of_key',
  namedCollection,
  `select c.id, c.name from api_key_collections s join collections c on c.id = s.collection_id
   where s.key_id = $1 order by c.id`,
  (id: number) => [id],
)
const collectionsOfKeys = query(
  'collections_of_keys',
  namedCollection,
  `select c.id, c.name from collections c
   where c.id in (select collection_id from api_key_collections where key_id = any($1)) order by c.id`,
  (ids: number[]) => [ids],
)
const deleteKeys = change('delete_keys', 'delete from api_keys where id = any($1)', (ids: number[]) => [ids])
const switchKeysOff = change(
  'switch_keys_off',
  'update api_keys set is_active = false where id = any($1)',
  (ids: number[]) => [ids],
)

/** Keys that were ended together, and the collections they covered. */
export interface EndedKeys {
  ids: number[]
  collections: Row<typeof namedCollection>[]
}

/** Deletes or switches off a key and all its descendants. */
export const endKeysBelow = (database: Database, id: number, how: 'delete' | 'switch_off'): Promise<EndedKeys> =>
  database.transaction(async (queries) => {
    const ids = await lockBelow(queries, id)
    const collections = await collectionsOfKeys(queries, ids)
    await (how === 'delete' ? deleteKeys : switchKeysOff)(queries, ids)
    return { ids, collections }
  })
