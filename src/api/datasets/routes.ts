import { type Call, implement, type Route } from '../../http/implement.ts'
import { rawJson } from '../../http/reply.ts'
import { AppError } from '../../lib/errors.ts'
import { coveredIds, type FoundCollection } from '../../model/collections/identity.ts'
import { findPreviewFile } from '../../store/entities/dataset-files.ts'
import type { EntityRow } from '../../store/entities/entities.ts'
import { searchEntities } from '../../store/entities/search-entities.ts'
import { storedFields } from '../entities/fields.ts'
import { getEntity, getVisibleEntity } from '../entities/find.ts'
import { entityListText } from '../entities/list.ts'
import { entityHit } from '../entities/search-hits.ts'
import { entityText, stateTag } from '../entities/shown.ts'
import { entityHistoryText, entityVersionText, getEntityVersion } from '../entities/versions.ts'
import { serveFile } from '../files/serve.ts'
import { requireUsableSchema } from '../items/item-schema.ts'
import { addDataset, changeDataset } from './change.ts'
import { datasetsContract } from './contract.ts'
import { croissantOf } from './croissant.ts'
import { dataHandlers } from './data-handlers.ts'
import { type PreviewDeps, storedPreviewText, storePreview } from './previews.ts'
import { removeDataset } from './remove.ts'

export type DatasetsDeps = PreviewDeps

const kind = 'dataset'
const mostListed = 1000
const missing = (message: string) => new AppError('not_found', message)
const tagged = (row: EntityRow) => ({ headers: { etag: stateTag(row) } })
const shown = (row: EntityRow) => rawJson(entityText(row), tagged(row))

export const datasetsRoutes = (deps: DatasetsDeps): Route[] => {
  const { database, objects } = deps
  const get = (collection: FoundCollection, name: string) => getEntity(database, { kind, name }, collection)
  /** Finds a dataset that the caller may see; nobody has to be signed in for a public one. */
  const getVisible = ({ collection, identity, params }: Call<(typeof datasetsContract)['getDataset']>) =>
    getVisibleEntity(database, { kind, name: params.dataset }, { collection, identity, asked: params.collection })

  return implement(datasetsContract, {
    listDatasets: async ({ collection, query, memory }) => {
      if (query.skip < 0 || query.limit < 0) {
        throw new AppError('bad_request', 'Offset and limit must be non-negative')
      }
      const page = { skip: query.skip, limit: Math.min(query.limit, mostListed) }
      return rawJson(await entityListText(database, memory, { kind, collectionIds: [collection.id] }, page))
    },

    searchDatasets: async ({ identity, query }) => {
      const collectionIds = identity ? coveredIds(identity) : []
      const rows = await searchEntities(database, { kind, collectionIds }, { text: query.q, limit: query.limit })
      return { hits: rows.map(entityHit) }
    },

    createDataset: async (call) => shown(await addDataset(deps, call)),

    getDataset: async (call) => shown(await getVisible(call)),

    updateDataset: async (call) => {
      const row = await get(call.collection, call.params.dataset)
      requireUsableSchema(call.body.item_schema, call.warn)
      const fields = storedFields(call.body, call.bodyText)
      return shown(await changeDataset(deps, call, row, { fields, noted: call.body }))
    },

    setDatasetMetadata: async (call) => {
      const fields = { metadata: call.bodyText.trim() }
      const row = await get(call.collection, call.params.dataset)
      return shown(await changeDataset(deps, call, row, { fields, noted: { dataset_metadata: call.body } }))
    },

    deleteDataset: async ({ collection, params }) => {
      await removeDataset(deps, await get(collection, params.dataset))
      return { message: 'Dataset deleted successfully' }
    },

    listDatasetVersions: async ({ collection, params, query }) =>
      rawJson(await entityHistoryText(database, await get(collection, params.dataset), query)),

    getDatasetVersion: async ({ collection, params }) => {
      const version = await getEntityVersion(database, await get(collection, params.dataset), params.ref)
      return rawJson(entityVersionText(version))
    },

    getDatasetCroissant: async (call) => {
      const { metadata } = await getVisible(call)
      if (metadata === null) throw missing('Dataset has no Croissant metadata')
      return rawJson(metadata)
    },

    exportDatasetCroissant: async ({ collection, params }) => croissantOf(deps, await get(collection, params.dataset)),

    setDatasetPreview: async (call) => {
      const row = await storePreview(deps, call, await get(call.collection, call.params.dataset))
      call.note({ changes: { preview_type: row.preview_type } })
      return rawJson(entityText(row, { preview: await storedPreviewText(deps, row) }), tagged(row))
    },

    getDatasetPreview: async (call) => {
      const file = await findPreviewFile(database, (await getVisible(call)).id)
      if (!file) throw missing('Dataset preview not found or incomplete')
      return serveFile(objects, file, call, true)
    },

    ...dataHandlers(deps),
  })
}
