import { implement, type Route } from '../../http/implement.ts'
import { empty, rawJson } from '../../http/reply.ts'
import { AppError, invalidField } from '../../lib/errors.ts'
import { memberText } from '../../lib/json/json-text.ts'
import type { Sealer } from '../../lib/secrets/crypto.ts'
import { bucketStorageSchema } from '../../model/collections/bucket-storage.ts'
import { mask } from '../../model/collections/environment.ts'
import { authorOf, coveredIds, type Identity, recordedBy } from '../../model/collections/identity.ts'
import { listAgents } from '../../store/agents.ts'
import {
  countMade,
  createCollection,
  findCollectionRow,
  listCollections,
  openStorageInfo,
  setOwner,
  setStorage,
} from '../../store/collections/collections.ts'
import { type DeletionDeps, deleteCollection } from '../../store/collections/deletion.ts'
import {
  type EnvironmentVariables,
  noteVariables,
  readEnvironment,
  writeEnvironment,
} from '../../store/collections/environments.ts'
import { type Pauses, pauseCollection, readPauses, resumeCollection } from '../../store/collections/pauses.ts'
import type { Database, Queries } from '../../store/database/database.ts'
import { entityListText } from '../entities/find.ts'
import { changedVariables } from '../environment/change.ts'
import { collectionsContract } from './contract.ts'
import { maskedPlace, shownAgent, shownCollection, shownPauses, shownStorage } from './serialize.ts'
import { collectionSummaries } from './summary.ts'

/** Throws a 422 when the provider is `s3` and the JSON text of `storage_info` does not name a bucket and its keys. */
const requireUsableStorage = (provider: string, info: string | null): void => {
  if (provider !== 's3') return
  const { error } = bucketStorageSchema.safeParse(info === null ? {} : JSON.parse(info))
  const [issue] = error?.issues ?? []
  if (!issue) return
  const names = issue.path.filter((name) => typeof name !== 'symbol')
  const why = issue.message.startsWith('Expected') ? issue.message : 'Required with storage_provider s3: a text'
  throw invalidField(['body', 'storage_info', ...names], why, 'invalid')
}

export interface CollectionsDeps extends DeletionDeps {
  database: Database
  sealer: Sealer
  settings: { keyCollections: number }
  /** What this process knows of pauses. */
  pauses: Pick<Pauses, 'refresh'>
}

/** Maximum page of collections; a larger `limit` is reduced to it. */
const maxCollections = 1000

const found = <Row>(row: Row | undefined): Row => {
  if (!row) throw new AppError('not_found', 'Collection not found')
  return row
}

const pausedByOperator = (reason: string | null): AppError =>
  new AppError('forbidden', `The operator of the server paused the collection${reason ? `: ${reason}` : ''}`, {
    hint: 'Ask the operator to resume it. Only the admin token ends this pause.',
  })

const masked = (variables: EnvironmentVariables): Record<string, string> =>
  Object.fromEntries([...variables.keys()].map((name) => [name, mask]))

/** Shares of the server belong to payers, so collections multiply nothing; but each takes some storage. */
const requireFewCollections = async (queries: Queries, { kind, payer }: Identity, most: number): Promise<void> => {
  if (kind === 'admin' || (await countMade(queries, payer)) < most) return
  throw new AppError('quota_exceeded', `Your keys have made ${most} collections, the most that they may`, {
    hint: 'Use one of them, or ask the operator of the server to delete some, or to raise JETTY_KEY_COLLECTIONS.',
  })
}

/** Describes an object that may hold credentials: at most its first fifty names. */
const namesOf = (object: object): string[] => Object.keys(object).slice(0, 50)

export const collectionsRoutes = (deps: CollectionsDeps): Route[] => {
  const { database, sealer, pauses, settings } = deps
  return implement(collectionsContract, {
    listCollections: async ({ identity, query }) => {
      if (query.skip < 0 || query.limit < 0) throw new AppError('invalid', 'Invalid pagination parameters')
      const ids = coveredIds(identity)
      const page = { skip: query.skip, limit: Math.min(query.limit, maxCollections) }
      const rows = await listCollections(database, ids, page)
      return query.view === 'summary'
        ? rawJson(JSON.stringify(await collectionSummaries(database, rows)))
        : rows.map(shownCollection)
    },

    getCollection: async ({ collection }) => ({
      ...shownCollection(found(await findCollectionRow(database, collection.id))),
      environment_variables: masked(await readEnvironment(database, sealer, collection.id)),
    }),

    createCollection: async ({ identity, body, bodyText, note }) => {
      const variables = changedVariables(new Map(), body.environment_variables ?? {})
      const info = body.storage_info ? memberText(bodyText, 'storage_info') : undefined
      requireUsableStorage(body.storage_provider, info ?? null)
      const row = await database.transaction(async (queries) => {
        await requireFewCollections(queries, identity, settings.keyCollections)
        const made = await createCollection(queries, {
          name: body.name,
          description: body.description ?? null,
          owner_identifier: identity.kind === 'admin' ? (body.owner_identifier ?? null) : null,
          storage_provider: body.storage_provider,
          keyId: identity.keyId,
        })
        if (made && info) await setStorage(queries, sealer, made.id, { info })
        if (made && variables.size > 0) {
          await writeEnvironment(queries, sealer, made.id, variables)
          const set = { set: [...variables.keys()], removed: [] }
          await noteVariables(queries, made.id, set, recordedBy(identity))
        }
        return made
      })
      if (!row) throw new AppError('already_exists', 'Collection already exists')
      note({
        target: row.name,
        collections: [row],
        changes: {
          storage_provider: row.storage_provider,
          ...(row.owner_identifier === null ? {} : { owner_identifier: row.owner_identifier }),
          ...(body.storage_info ? { storage_info: namesOf(body.storage_info) } : {}),
          ...(variables.size > 0 ? { environment_variables: [...variables.keys()] } : {}),
        },
      })
      return { ...shownCollection(row), environment_variables: masked(variables) }
    },

    deleteCollection: async ({ collection }) => {
      await deleteCollection(database, collection.id, deps)
      return empty()
    },

    getCollectionPauses: async ({ collection }) => shownPauses(await readPauses(database, collection.id)),

    pauseCollection: async ({ collection, identity, body, note }) => {
      const reason = body?.reason?.trim() || null
      note({ changes: { paused: true, reason } })
      const by = identity.kind === 'admin' ? 'operator' : 'key'
      const paused = found(await pauseCollection(database, collection.id, by, { author: authorOf(identity), reason }))
      await pauses.refresh() // the next request here is refused; other processes hear of it
      return shownPauses(paused)
    },

    resumeCollection: async ({ collection, identity, note }) => {
      note({ changes: { paused: false } })
      const before = await readPauses(database, collection.id)
      if (identity.kind !== 'admin' && before.operator && !before.key) throw pausedByOperator(before.operator.reason)
      const by = identity.kind === 'admin' && before.operator ? 'operator' : 'key'
      const left = found(await resumeCollection(database, collection.id, by))
      await pauses.refresh()
      return shownPauses(left)
    },

    setCollectionOwner: async ({ collection, body, note }) => {
      note({ changes: { owner_identifier: body.owner_identifier } })
      return shownCollection(found(await setOwner(database, collection.id, body.owner_identifier)))
    },

    getCollectionStorage: async ({ collection }) =>
      shownStorage(sealer, found(await findCollectionRow(database, collection.id))),

    setCollectionStorage: async ({ collection, body, bodyText, note }) => {
      const given = body.storage_info
      const masked = maskedPlace(given)
      if (masked) {
        const message = `${mask} is only the mask of a value: send the value itself, or omit storage_info`
        throw invalidField(['body', 'storage_info', ...masked], message, 'masked')
      }
      const info = given === undefined ? undefined : given === null ? null : memberText(bodyText, 'storage_info')
      const provider = body.storage_provider === null ? 'default' : body.storage_provider
      note({
        changes: {
          ...(given === undefined ? {} : { storage_info: given && namesOf(given) }),
          ...(provider === undefined ? {} : { storage_provider: provider }),
        },
      })
      if (provider !== undefined || info !== undefined) {
        const row = found(await findCollectionRow(database, collection.id))
        const text = info === undefined ? openStorageInfo(sealer, row) : info
        requireUsableStorage(provider ?? row.storage_provider, text)
      }
      return shownStorage(sealer, found(await setStorage(database, sealer, collection.id, { info, provider })))
    },

    listCollectionDatasets: async ({ collection, query, memory }) => {
      const at = { kind: 'dataset' as const, collectionIds: [collection.id] }
      return rawJson(await entityListText(database, memory, at, query))
    },

    listCollectionAgents: async ({ collection, query }) =>
      (await listAgents(database, collection.id, query)).map(shownAgent),
  })
}
