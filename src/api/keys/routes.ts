import { collectionNotFound, coveredOnly } from '../../http/authorise.ts'
import { implement, type Route } from '../../http/implement.ts'
import type { FoundCollection, Identity } from '../../model/collections/identity.ts'
import { deleteKey, endKeysBelow, listKeys, madeWith } from '../../store/collections/keys.ts'
import type { Database } from '../../store/database/database.ts'
import { changeKey, getKey, getOwnKey, keyNotFound, makeKey, onlyForDisabling } from './change.ts'
import { keysContract } from './contract.ts'
import { notedEnd, notedKey, shownKey } from './shown.ts'

export interface KeysDeps {
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
