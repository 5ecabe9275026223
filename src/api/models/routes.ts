import { requireMatch } from '../../http/entity-tag.ts'
import { implement, type Route } from '../../http/implement.ts'
import type { CallMemory } from '../../http/input/memory.ts'
import { rawJson } from '../../http/reply.ts'
import { AppError } from '../../lib/errors.ts'
import { authorOf, coveredIds, type FoundCollection } from '../../model/collections/identity.ts'
import { type EntityRow, findEntity, searchEntities } from '../../store/entities/entities.ts'
import { entityVersions } from '../../store/entities/entity-versions.ts'
import { createEntity, deleteEntity, updateEntity } from '../../store/entities/write-entity.ts'
import { emptyFields, storedFields } from '../entities/fields.ts'
import {
  auditEntity,
  entityHit,
  entityListText,
  getEntity,
  getVisibleEntity,
  type StoreEntityDeps,
  storeWithin,
} from '../entities/find.ts'
import { entityText, stateTag } from '../entities/serialize.ts'
import { getEntityVersion, historyText, versionText } from '../versions.ts'
import { modelsContract } from './contract.ts'

export type ModelsDeps = StoreEntityDeps

const kind = 'trained_model'

const taken = (name: string, collection: FoundCollection) =>
  new AppError('already_exists', `Trained model with name '${name}' already exists in collection '${collection.name}'`)

const shown = (row: EntityRow) => rawJson(entityText(row), { headers: { etag: stateTag(row) } })

export const modelsRoutes = (deps: ModelsDeps): Route[] => {
  const { database } = deps
  const get = (collection: FoundCollection, name: string) => getEntity(database, { kind, name }, collection)
  const list = async (
    collectionIds: readonly number[] | undefined,
    { query, memory }: { query: { skip: number; limit: number }; memory: CallMemory },
  ) => rawJson(await entityListText(database, memory, { kind, collectionIds }, query))

  return implement(modelsContract, {
    listAllModels: (call) => list(coveredIds(call.identity), call),
    listModels: (call) => list([call.collection.id], call),

    searchModels: async ({ identity, query }) => {
      const at = { kind, collectionIds: coveredIds(identity) } as const
      return { hits: (await searchEntities(database, at, { text: query.q, limit: query.limit })).map(entityHit) }
    },

    createModel: async (call) => {
      const { collection, identity, body, bodyText } = call
      const fields = { ...emptyFields(body.name), ...storedFields(body, bodyText) }
      const at = { kind, collectionId: collection.id, author: authorOf(identity) } as const
      const row = await storeWithin(deps, call, collection.id, () => createEntity(database, at, fields))
      if (row === 'taken') throw taken(body.name, collection)
      if (row === 'gone') throw new AppError('not_found', `Collection with name '${collection.name}' not found`)
      auditEntity(call, row, body)
      return rawJson(entityText(row), { headers: { etag: stateTag(row) } })
    },

    getModel: async ({ collection, params, identity }) => {
      const at = { collection, identity, asked: params.collection }
      return shown(await getVisibleEntity(database, { kind, name: params.model }, at))
    },

    updateModel: async (call) => {
      const { collection, params, identity, body, bodyText } = call
      const found = await get(collection, params.model)
      const fields = storedFields(body, bodyText)
      const check = (before: EntityRow) => requireMatch(call, stateTag(before), `Trained model '${before.name}'`)
      const row = await storeWithin(deps, call, collection.id, () =>
        updateEntity(database, found.id, fields, { author: authorOf(identity), check }),
      )
      if (row === 'taken') throw taken(body.name ?? found.name, collection)
      if (!row) throw new AppError('not_found', 'Trained model not found')
      auditEntity(call, row, body)
      return shown(row)
    },

    deleteModel: async ({ collection, params }) => {
      const row = await findEntity(database, { kind, collectionId: collection.id, name: params.model })
      if (!row || !(await deleteEntity(database, row.id))) throw new AppError('not_found', 'Trained model not found')
      return { message: 'Trained model deleted successfully' }
    },

    listModelVersions: async ({ collection, params, query }) =>
      rawJson(await historyText(database, entityVersions, await get(collection, params.model), query)),

    getModelVersion: async ({ collection, params }) => {
      const version = await getEntityVersion(database, await get(collection, params.model), params.ref)
      return rawJson(versionText(version))
    },
  })
}
