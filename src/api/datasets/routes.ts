import { implement, type Route } from '../../http/implement.ts'
import { rawJson } from '../../http/reply.ts'
import { AppError } from '../../lib/errors.ts'
import { coveredIds, type FoundCollection } from '../../model/collections/identity.ts'
import {
  findDatasetFile,
  findPreviewFile,
  listDatasetFiles,
  newestDatasetFile,
} from '../../store/entities/dataset-files.ts'
import type { EntityRow } from '../../store/entities/entities.ts'
import { searchEntities } from '../../store/entities/search-entities.ts'
import { storedFields } from '../entities/fields.ts'
import { getEntity, getVisibleEntity } from '../entities/find.ts'
import { entityListText } from '../entities/list.ts'
import { entityHit } from '../entities/search-hits.ts'
import { entityText, stateTag } from '../entities/shown.ts'
import { entityHistoryText, entityVersionText, getEntityVersion } from '../entities/versions.ts'
import { downloadLink, serveFile } from '../files/serve.ts'
import { requireUsableSchema } from '../items/item-schema.ts'
import { addDataset, changeDataset } from './change.ts'
import { datasetsContract } from './contract.ts'
import { croissantOf } from './croissant.ts'
import { shownDataFile, storeDataFile } from './data-files.ts'
import { type PreviewDeps, storedPreviewText, storePreview } from './previews.ts'
import { removeDataset } from './remove.ts'

export type DatasetsDeps = PreviewDeps

const kind = 'dataset'
const mostListed = 1000
const missing = (message: string) => new AppError('not_found', message)
const tagged = (row: EntityRow) => ({ headers: { etag: stateTag(row) } })
const shown = (row: EntityRow) => rawJson(entityText(row), tagged(row))

export const datasetsRoutes = (deps: DatasetsDeps): Route[] => {
  const { database, objects, links } = deps
  const get = (collection: FoundCollection, name: string) => getEntity(database, { kind, name }, collection)

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

    getDataset: async ({ collection, params, identity }) =>
      shown(
        await getVisibleEntity(
          database,
          { kind, name: params.dataset },
          { collection, identity, asked: params.collection },
        ),
      ),

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

    getDatasetCroissant: async ({ collection, params, identity }) => {
      const at = { collection, identity, asked: params.collection }
      const { metadata } = await getVisibleEntity(database, { kind, name: params.dataset }, at)
      if (metadata === null) throw missing('Dataset has no Croissant metadata')
      return rawJson(metadata)
    },

    exportDatasetCroissant: async ({ collection, params }) => croissantOf(deps, await get(collection, params.dataset)),

    setDatasetPreview: async (call) => {
      const row = await storePreview(deps, call, await get(call.collection, call.params.dataset))
      call.note({ changes: { preview_type: row.preview_type } })
      return rawJson(entityText(row, { preview: await storedPreviewText(deps, row) }), tagged(row))
    },

    getDatasetPreview: async ({ collection, params, identity, method, headers }) => {
      const at = { collection, identity, asked: params.collection }
      const dataset = await getVisibleEntity(database, { kind, name: params.dataset }, at)
      const file = await findPreviewFile(database, dataset.id)
      if (!file) throw missing('Dataset preview not found or incomplete')
      return serveFile(objects, file, { method, headers }, true)
    },

    uploadDatasetData: async (call) => {
      const { collection, params } = call
      const found = await get(collection, params.dataset).catch((error: unknown) => {
        if (!(error instanceof AppError && error.code === 'not_found')) throw error
        throw missing(`Dataset '${params.dataset}' not found in collection '${collection.name}'`)
      })
      const { path, number, dataset } = await storeDataFile(deps, call, found)
      call.note({ changes: { file_path: path } })
      const names = { collection_name: dataset.collection_name, dataset_name: dataset.name }
      return { success: true as const, file_path: path, ...names, file_number: number }
    },

    listDatasetData: async ({ collection, params, query }) => {
      const dataset = await get(collection, params.dataset)
      const rows = await listDatasetFiles(database, dataset.id, { after: query.after, limit: query.limit + 1 })
      const files = rows.slice(0, query.limit).map((row) => shownDataFile(row, dataset, links.publicUrl))
      return { files, has_more: rows.length > query.limit }
    },

    getDatasetData: async ({ collection, params }) => {
      const dataset = await get(collection, params.dataset)
      const number = /^\d{1,9}$/.test(params.number) ? Number(params.number) : undefined
      const file = number === undefined ? undefined : await findDatasetFile(database, dataset.id, number)
      if (!file) throw missing(`Data file ${params.number} not found for this dataset`)
      const link = await downloadLink(objects, file)
      return { ...shownDataFile(file, dataset, links.publicUrl), ...(link && { download_url: link }) }
    },

    downloadLatestDatasetData: async ({ collection, params, method, headers }) => {
      const file = await newestDatasetFile(database, (await get(collection, params.dataset)).id)
      if (!file) throw missing('No data files found for this dataset')
      return serveFile(objects, file, { method, headers }, false)
    },
  })
}
