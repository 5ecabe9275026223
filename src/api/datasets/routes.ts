import { exportCroissant } from '../../datasets/croissant/export.ts'
import { requireMatch } from '../../http/entity-tag.ts'
import { type AnyCall, type Call, type Handlers, implement, type Route } from '../../http/implement.ts'
import { rawJson } from '../../http/reply.ts'
import { AppError } from '../../lib/errors.ts'
import { type JsonObject, parsedObject } from '../../lib/json/json-object.ts'
import { authorOf, coveredIds, type FoundCollection, type Identity } from '../../model/collections/identity.ts'
import type { CreateDataset } from '../../model/data/dataset.ts'
import type { Database, Queries } from '../../store/database/database.ts'
import {
  type DatasetFileRow,
  deleteFileRows,
  findDatasetFile,
  findPreviewFile,
  listDatasetFiles,
  newestDatasetFile,
  objectsOfDataset,
} from '../../store/entities/dataset-files.ts'
import { type EntityFields, type EntityRow, searchEntities } from '../../store/entities/entities.ts'
import { entityVersions } from '../../store/entities/entity-versions.ts'
import { createEntity, deleteEntity, lockEntity, newestItems, updateEntity } from '../../store/entities/write-entity.ts'
import { removeAll } from '../../store/objects/removal.ts'
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
import { downloadLink, serveFile } from '../files/serve.ts'
import { describeExport } from '../items/exported-file.ts'
import { requireItemsFit, requireUsableSchema } from '../items/item-schema.ts'
import { getEntityVersion, historyText, versionText } from '../versions.ts'
import { datasetsContract } from './contract.ts'
import { shownDataFile, storeDataFile } from './data-files.ts'
import { type PreviewDeps, storedPreviewText, storePreview } from './previews.ts'

type OfData = 'uploadDatasetData' | 'listDatasetData' | 'getDatasetData' | 'downloadLatestDatasetData'

/** Answers the operations on the data files of a dataset. */
const dataHandlers = (deps: PreviewDeps): Pick<Handlers<typeof datasetsContract>, OfData> => {
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

const mostFiles = 20_000
const filesAtOnce = 1000
const wholeVersion = /^\d+\.\d+\.\d+$/

const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined)

/** Reads all data files of a dataset, page by page. Throws `too_large` for more than one document should have. */
const allFiles = async (database: Database, dataset: EntityRow): Promise<DatasetFileRow[]> => {
  const files: DatasetFileRow[] = []
  for (let after = -1; ; ) {
    const page = await listDatasetFiles(database, dataset.id, { after, limit: filesAtOnce })
    files.push(...page)
    if (files.length > mostFiles) {
      throw new AppError('too_large', `Dataset '${dataset.name}' has more than ${mostFiles} data files`, {
        hint: 'A Croissant document names each of them. List them with GET …/data, or put several into one archive.',
      })
    }
    if (page.length < filesAtOnce) return files
    after = page.at(-1)?.number ?? after
  }
}

/** Describes the newest version of a dataset as a Croissant document: its data files, and its items as JSON lines. */
const croissantOf = async (
  { database, links }: { database: Database; links: { readonly publicUrl: string } },
  dataset: EntityRow,
): Promise<JsonObject> => {
  const url = `${links.publicUrl}/api/v1/datasets/${dataset.collection_name}/${dataset.name}`
  const rows = await allFiles(database, dataset)
  const files = rows.flatMap((row) => {
    const { download_url, size, sha256, content_type } = shownDataFile(row, dataset, links.publicUrl)
    return sha256 === null ? [] : [{ name: row.name, url: download_url, mediaType: content_type, bytes: size, sha256 }]
  })
  const at = { datasetId: dataset.id, seq: dataset.version }
  const hasItems = ((await newestItems(database, dataset))?.count ?? 0) > 0
  const items = hasItems
    ? {
        ...{ name: 'items.jsonl', mediaType: 'application/jsonlines' },
        url: `${url}/items/export?version=~${dataset.version}&format=jsonl`,
        ...(await describeExport(database, at)),
      }
    : undefined
  const metadata = dataset.metadata === null ? {} : (parsedObject(dataset.metadata) ?? {})
  const version = dataset.metadata_version ?? ''
  return exportCroissant({
    name: dataset.name,
    url: text(metadata.url) ?? url,
    description: dataset.long_description ?? text(metadata.description) ?? dataset.name,
    license: text(metadata.license),
    citeAs: text(metadata.citeAs),
    version: wholeVersion.test(version) ? version : `0.0.${dataset.version}`,
    published: dataset.created_at,
    files: [...files, ...(items ? [items] : [])],
  })
}

const taken = () => new AppError('already_exists', 'Dataset already exists')

interface AddCall extends AnyCall {
  collection: FoundCollection
  identity: Identity
  body: CreateDataset
}

/** Adds a dataset to a collection, and notes it for the audit trail. */
const addDataset = async (deps: StoreEntityDeps, call: AddCall): Promise<EntityRow> => {
  const { collection, identity, body, bodyText } = call
  requireUsableSchema(body.item_schema, call.warn)
  const fields = { ...emptyFields(body.name), ...storedFields(body, bodyText) }
  const at = { kind: 'dataset' as const, collectionId: collection.id, author: authorOf(identity) }
  const row = await storeWithin(deps, call, collection.id, () => createEntity(deps.database, at, fields))
  if (row === 'taken') throw taken()
  if (row === 'gone') throw new AppError('not_found', `Collection with name '${collection.name}' not found`)
  auditEntity(call, row, body)
  return row
}

/**
 * Changes fields of a dataset, if the request's If-Match allows it and the items fit the new schema. `noted` is the body
 * for the audit trail.
 */
const changeDataset = async (
  deps: StoreEntityDeps,
  call: AnyCall & { identity: Identity },
  { id, collection_id: collectionId }: EntityRow,
  { fields, noted }: { fields: Partial<EntityFields>; noted: object },
): Promise<EntityRow> => {
  const check = async (before: EntityRow, queries: Queries) => {
    requireMatch(call, stateTag(before), `Dataset '${before.name}'`)
    await requireItemsFit(queries, before, fields.item_schema)
  }
  const row = await storeWithin(deps, call, collectionId, () =>
    updateEntity(deps.database, id, fields, { author: authorOf(call.identity), check }),
  )
  if (row === 'taken') throw taken()
  if (!row) throw new AppError('not_found', 'Dataset not found')
  auditEntity(call, row, noted)
  return row
}

/** Deletes a dataset without files; false when it has some. An upload under way is waited for: its file would stay. */
const deleteWithoutFiles = (database: Database, id: number): Promise<boolean> =>
  database.transaction(async (queries) => {
    await lockEntity(queries, id)
    if ((await objectsOfDataset(queries, id)).length > 0) return false
    await deleteEntity(queries, id)
    return true
  })

/** Deletes a dataset with its files, bytes before rows: what fails here can be asked for again. */
const removeDataset = async (
  { database, objects }: Pick<PreviewDeps, 'database' | 'objects'>,
  dataset: EntityRow,
): Promise<void> => {
  for (;;) {
    const rows = await objectsOfDataset(database, dataset.id)
    if (rows.length === 0 && (await deleteWithoutFiles(database, dataset.id))) return
    const failed = await removeAll(
      objects,
      rows.map(({ object }) => object),
    )
    const stuck = new Set(failed?.ids)
    await deleteFileRows(
      database,
      rows.filter(({ object }) => !stuck.has(object)).map(({ path }) => path),
    )
    if (failed) throw failed.cause ?? failed
  }
}

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
      rawJson(await historyText(database, entityVersions, await get(collection, params.dataset), query)),

    getDatasetVersion: async ({ collection, params }) => {
      const version = await getEntityVersion(database, await get(collection, params.dataset), params.ref)
      return rawJson(versionText(version))
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
