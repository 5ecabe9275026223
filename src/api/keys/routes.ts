import type { Database } from '../../database/database.ts'
import { requireScope } from '../../http/authorise.ts'
import { implement, type Route } from '../../http/implement.ts'
import { hashToken } from '../../lib/crypto.ts'
import { AppError } from '../../lib/errors.ts'
import { newApiKey } from '../../lib/ids.ts'
import { timestamp, timestampOrNull } from '../../lib/time.ts'
import type { FoundCollection, Identity } from '../../model/identity.ts'
import type { Key } from '../../model/key.ts'
import { createKey, deleteKey, findKeyRow, type KeyRow, listKeys, updateKey } from '../../store/keys.ts'
import { keysContract } from './contract.ts'

export interface KeysDeps {
  database: Database
  findCollection(name: string): Promise<FoundCollection | undefined>
}

const notFound = () => new AppError('not_found', 'API key not found')

const taken = (name: string, collection: string) =>
  new AppError('already_exists', `API key with name '${name}' already exists in collection '${collection}'`)

const shown = (row: KeyRow): Key => ({
  id: row.id,
  collection_id: row.collection_id,
  collection_name: row.collection_name,
  collections: row.collections,
  name: row.name,
  key_prefix: row.key_prefix,
  access_level: row.access_level,
  is_active: row.is_active,
  created_at: timestamp(row.created_at),
  created_by_agent_id: null,
  expires_at: timestampOrNull(row.expires_at),
  last_used_at: timestampOrNull(row.last_used_at),
})

export const keysRoutes = ({ database, findCollection }: KeysDeps): Route[] => {
  /** The key, if the caller covers every collection it covers: nobody may switch on what reaches further than he does. */
  const get = async (id: string, identity: Identity): Promise<KeyRow> => {
    const row = /^[1-9]\d{0,14}$/.test(id) ? await findKeyRow(database, Number(id)) : undefined
    if (!row) throw notFound()
    for (const collectionId of row.collection_ids) requireScope(identity, collectionId)
    return row
  }

  const getCollection = async (name: string, identity: Identity): Promise<FoundCollection> => {
    const collection = await findCollection(name)
    if (!collection) throw new AppError('not_found', `Collection '${name}' not found`)
    requireScope(identity, collection.id)
    return collection
  }

  return implement(keysContract, {
    createKey: async ({ body, identity }) => {
      const names = [body.collection_name, ...(body.collections ?? [])]
      const collections = await Promise.all(names.map((name) => getCollection(name, identity)))
      const key = newApiKey()
      const id = await createKey(database, {
        name: body.name,
        hash: hashToken(key),
        prefix: key.slice(0, 8),
        access: body.access_level,
        expiresAt: body.expires_at ? new Date(body.expires_at) : null,
        collectionIds: collections.map((collection) => collection.id),
      })
      if (id === undefined) throw taken(body.name, collections[0]!.name)
      const row = await findKeyRow(database, id)
      if (!row) throw notFound()
      return { ...shown(row), api_key: key }
    },

    listKeys: async ({ collection, query }) => (await listKeys(database, collection.id, query)).map(shown),

    getKey: async ({ params, identity }) => shown(await get(params.id, identity)),

    updateKey: async ({ params, identity, body }) => {
      const row = await get(params.id, identity)
      const outcome = await updateKey(database, row.id, body)
      if (outcome === 'taken') throw taken(body.name ?? row.name, row.collection_name)
      if (outcome === undefined) throw notFound()
      return shown(await get(params.id, identity))
    },

    deleteKey: async ({ params, identity }) => {
      const row = await get(params.id, identity)
      if (!(await deleteKey(database, row.id))) throw notFound()
      return { message: 'API key deleted successfully' }
    },
  })
}
