import type { Handlers } from '../../http/implement.ts'
import { AppError } from '../../lib/errors.ts'
import type { FoundCollection } from '../../model/collections/identity.ts'
import { findDatasetFile, listDatasetFiles, newestDatasetFile } from '../../store/entities/dataset-files.ts'
import { getEntity } from '../entities/find.ts'
import { downloadLink, serveFile } from '../files/serve.ts'
import type { datasetsContract } from './contract.ts'
import { shownDataFile, storeDataFile } from './data-files.ts'
import type { PreviewDeps } from './previews.ts'

type OfData = 'uploadDatasetData' | 'listDatasetData' | 'getDatasetData' | 'downloadLatestDatasetData'

const missing = (message: string) => new AppError('not_found', message)

/** Answers the operations on the data files of a dataset. */
export const dataHandlers = (deps: PreviewDeps): Pick<Handlers<typeof datasetsContract>, OfData> => {
  const { database, objects, links } = deps
  const get = (collection: FoundCollection, name: string) => getEntity(database, { kind: 'dataset', name }, collection)

  return {
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
  }
}
