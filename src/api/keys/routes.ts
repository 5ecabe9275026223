import { collectionNotFound, coveredOnly } from '../../http/authorise.ts'
import { implement, type Route } from '../../http/implement.ts'
import { AppError, invalidField } from '../../lib/errors.ts'
import { newApiKey } from '../../lib/ids.ts'
import { hashToken } from '../../lib/secrets/crypto.ts'
import { now, timestamp, timestampOrNull } from '../../lib/time.ts'
import { covers, type FoundCollection, type Identity, recordedBy } from '../../model/collections/identity.ts'
import type { CreateKey, Key, UpdateKey } from '../../model/collections/key.ts'
import {
  createKey,
  deleteKey,
  type EndedKeys,
  endKeysBelow,
  findKeyRow,
  type KeyRow,
  listKeys,
  madeWith,
  updateKey,
} from '../../store/collections/keys.ts'
import type { Database } from '../../store/database/database.ts'
import { keysContract } from './contract.ts'

const keyNotFound = () => new AppError('not_found', 'API key not found')

const taken = (name: string, collection: string) =>
  new AppError('already_exists', `API key with name '${name}' already exists in collection '${collection}'`)

/** The error for `below=true` in a request that does not disable the key. */
const onlyForDisabling = () =>
  invalidField(['query', 'below'], 'below=true is only for disabling keys: send {"is_active": false} with it')

const dayMs = 86_400_000

/** The latest expiry that a browser session gives; a script in a page could carry the key off. Undefined for a token. */
const latestOfSession = ({ sessionId }: Identity, days: number): Date | undefined =>
  sessionId === undefined ? undefined : new Date(now() + days * dayMs)

const requireEnd = (identity: Identity, days: number, expiresAt: Date | null): void => {
  const latest = latestOfSession(identity, days)
  // The clock of the browser may be ahead.
  if (!latest || (expiresAt !== null && expiresAt.getTime() <= latest.getTime() + dayMs)) return
  throw invalidField(
    ['body', 'expires_at'],
    `A browser session gives keys at most ${days} days. One that is valid for longer needs a token: jetty keys create`,
  )
}

/** Refuses an expiry later than the caller's own. */
const requireNotLonger = (identity: Identity, expiresAt: Date | null): void => {
  if (identity.expiresAt === null || (expiresAt !== null && expiresAt <= identity.expiresAt)) return
  throw new AppError('forbidden', 'A key that expires cannot create or enable a key that is valid for longer', {
    hint: `Your key expires at ${timestamp(identity.expiresAt)}. Choose an earlier expires_at, or use another token.`,
  })
}

const dateOrNull = (text: string | null): Date | null => (text === null ? null : new Date(text))

const nameOf = (row: KeyRow, collectionId: number | null): string =>
  row.collections[row.collection_ids.indexOf(collectionId ?? -1)] ?? ''

/** Id of the new home collection. Unknown names and collections the key does not cover are refused alike. */
const newHome = (row: KeyRow, name: string): number => {
  const index = row.collections.findIndex((one) => one.toLowerCase() === name.toLowerCase())
  const id = row.collection_ids[index]
  if (id !== undefined) return id
  const message = `The key does not cover the collection '${name}'; it covers ${row.collections.join(', ')}`
  throw invalidField(['body', 'home_collection'], message)
}

/** Finds a key if the caller covers one of its collections; otherwise its existence is not revealed. */
const getKey = async (database: Database, id: string, identity: Identity): Promise<KeyRow> => {
  const row = /^[1-9]\d{0,14}$/.test(id) ? await findKeyRow(database, Number(id)) : undefined
  if (!row?.collection_ids.some((collectionId) => covers(identity, collectionId))) throw keyNotFound()
  return row
}

/**
 * Finds a key to change. The caller must cover all collections of the key, since a key with a wider scope is not
 * theirs to enable.
 */
const getOwnKey = async (database: Database, id: string, identity: Identity): Promise<KeyRow> => {
  const row = await getKey(database, id, identity)
  if (!row.collection_ids.every((id) => covers(identity, id))) {
    throw new AppError('forbidden', 'The key covers collections that your token does not cover')
  }
  return row
}

/** Creates a key for collections that the caller covers. Returns its row and the key itself, which is not stored. */
const makeKey = async (
  database: Database,
  identity: Identity,
  body: CreateKey,
  { collections, sessionKeyDays: days }: { collections: readonly FoundCollection[]; sessionKeyDays: number },
): Promise<{ row: KeyRow; key: string }> => {
  const latest = [identity.expiresAt, latestOfSession(identity, days)].filter((date) => date instanceof Date)
  const usual = latest.toSorted((one, other) => one.getTime() - other.getTime())[0] ?? null
  const until = body.expires_at === undefined ? usual : dateOrNull(body.expires_at)
  requireNotLonger(identity, until)
  requireEnd(identity, days, until)
  const key = newApiKey()
  const id = await createKey(database, {
    name: body.name,
    hash: hashToken(key),
    prefix: key.slice(0, 8),
    access: body.access_level,
    expiresAt: until,
    madeBy: identity.keyId,
    createdBy: recordedBy(identity),
    collectionIds: collections.map((collection) => collection.id),
  })
  if (id === 'taken') throw taken(body.name, collections[0]?.name ?? body.collection_name)
  if (id === 'refused') throw new AppError('unauthenticated', 'Invalid or inactive API key')
  if (id === 'gone') throw new AppError('not_found', 'Collection not found')
  const row = await findKeyRow(database, id)
  // Its collections went a moment later.
  if (!row || row.collection_ids.length === 0) throw new AppError('not_found', 'Collection not found')
  return { row, key }
}

/** Changes the given fields of a key. */
const changeKey = async (
  database: Database,
  identity: Identity,
  row: KeyRow,
  body: UpdateKey,
  sessionKeyDays: number,
): Promise<void> => {
  const expiresAt = body.expires_at === undefined ? row.expires_at : dateOrNull(body.expires_at)
  if (body.is_active || body.expires_at !== undefined) requireNotLonger(identity, expiresAt)
  if (body.expires_at !== undefined) requireEnd(identity, sessionKeyDays, expiresAt)
  const homeId = body.home_collection === undefined ? undefined : newHome(row, body.home_collection)
  const { name, is_active } = body
  const changes = { name, is_active, homeId, ...(body.expires_at !== undefined && { expiresAt }) }
  const outcome = await updateKey(database, row.id, changes)
  if (outcome === 'taken') throw taken(name ?? row.name, nameOf(row, homeId ?? row.home_collection_id))
  if (outcome === undefined) throw keyNotFound()
}

/** Shows a key, with only those of its collections that the caller covers as well. */
const shownKey = (row: KeyRow, identity: Identity): Key => {
  const all = row.collection_ids.map((id, index) => ({ id, name: row.collections[index] as string }))
  const seen = all.filter(({ id }) => covers(identity, id))
  const home = seen.find(({ id }) => id === row.home_collection_id)
  // A visible key shares at least one collection with the caller.
  const own = (home ?? seen[0]) as { id: number; name: string }
  return {
    id: row.id,
    collection_id: own.id,
    collection_name: own.name,
    home_collection: home?.name ?? null,
    collections: seen.map(({ name }) => name),
    name: row.name,
    key_prefix: row.key_prefix,
    access_level: row.access_level,
    is_active: row.is_active,
    created_at: timestamp(row.created_at),
    created_by_agent_id: null,
    created_by: row.created_by,
    made_by_key_id: row.made_by,
    expires_at: timestampOrNull(row.expires_at),
    last_used_at: timestampOrNull(row.last_used_at),
  }
}

/** Description of a key for the audit trail. */
const notedKey = (row: KeyRow) => ({
  target: String(row.id),
  collections: row.collection_ids.map((id, index) => ({ id, name: row.collections[index] as string })),
  changes: {
    name: row.name,
    key_prefix: row.key_prefix,
    access_level: row.access_level,
    is_active: row.is_active,
    expires_at: timestampOrNull(row.expires_at),
  },
})

/** Description of a key ended together with others, for the audit trail of each collection they covered. */
const notedEnd = (row: KeyRow, ended: EndedKeys) => {
  const { target, changes } = notedKey(row)
  const below = ended.ids.filter((id) => id !== row.id)
  return { target, collections: ended.collections, changes: { ...changes, below } }
}

interface KeysDeps {
  database: Database
  settings: { sessionKeyDays: number }
  findCollection(name: string): Promise<FoundCollection | undefined>
}

export const keysRoutes = ({ database, settings, findCollection }: KeysDeps): Route[] => {
  const getCollection = async (name: string, identity: Identity): Promise<FoundCollection> => {
    const collection = coveredOnly(identity, await findCollection(name))
    if (!collection) throw collectionNotFound(`Collection '${name}' not found`)
    return collection
  }

  return implement(keysContract, {
    createKey: async ({ body, identity, note }) => {
      const names = [body.collection_name, ...(body.collections ?? [])]
      const collections = await Promise.all(names.map((name) => getCollection(name, identity)))
      const { row, key } = await makeKey(database, identity, body, { collections, ...settings })
      note(notedKey(row))
      return { ...shownKey(row, identity), api_key: key }
    },

    listKeys: async ({ collection, query, identity }) =>
      (await listKeys(database, collection.id, query)).map((row) => shownKey(row, identity)),

    getKey: async ({ params, identity }) => shownKey(await getKey(database, params.id, identity), identity),

    updateKey: async ({ params, identity, body, query, note }) => {
      const withBelow = query.below === 'true'
      const row = await getOwnKey(database, params.id, identity)
      if (withBelow && body.is_active !== false) throw onlyForDisabling()
      await changeKey(database, identity, row, body, settings.sessionKeyDays)
      const ended = withBelow ? await endKeysBelow(database, row.id, 'switch_off') : undefined
      const after = await getOwnKey(database, params.id, identity)
      const { changes, ...entry } = ended ? notedEnd(after, ended) : notedKey(after)
      // Readers of one collection's trail may not cover the home collection, so it is not named.
      note({ ...entry, changes: { ...changes, ...(body.home_collection !== undefined && { home_collection: 'set' }) } })
      return shownKey(after, identity)
    },

    deleteKey: async ({ params, query, identity, note }) => {
      const row = await getOwnKey(database, params.id, identity)
      if (query.below === 'true') {
        const ended = await endKeysBelow(database, row.id, 'delete')
        if (ended.ids.length === 0) throw keyNotFound()
        note(notedEnd(row, ended))
        return { message: 'API key deleted successfully', deleted: ended.ids, left: [] }
      }
      const left = await madeWith(database, row.id)
      if (!(await deleteKey(database, row.id))) throw keyNotFound()
      note(notedKey(row))
      return { message: 'API key deleted successfully', deleted: [row.id], left }
    },
  })
}
