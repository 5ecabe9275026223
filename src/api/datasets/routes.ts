import { exportCroissant } from '../../datasets/croissant/export.ts'
import { makeCroissantReporter } from '../../datasets/croissant/run-report.ts'
import { PreviewFailed } from '../../datasets/preview/preview.ts'
import { runPreview } from '../../datasets/preview/run-preview.ts'
import { requireMatch } from '../../http/entity-tag.ts'
import { type AnyCall, type Call, type Handlers, implement, type Route } from '../../http/implement.ts'
import { rawJson } from '../../http/reply.ts'
import { AppError, invalidField } from '../../lib/errors.ts'
import { type JsonObject, parsedObject } from '../../lib/json/json-object.ts'
import { readWhole } from '../../lib/memory/byte-blocks.ts'
import { makeProcessQueue } from '../../lib/processes/process-queue.ts'
import { makeSlots, withSpare } from '../../lib/slots.ts'
import {
  authorOf,
  coveredIds,
  type FoundCollection,
  type Identity,
  ownerOf,
  ownerOfCaller,
} from '../../model/collections/identity.ts'
import type { CreateDataset } from '../../model/data/dataset.ts'
import type { Database, Queries } from '../../store/database/database.ts'
import {
  type DatasetFileRow,
  deleteFileRows,
  findDatasetFile,
  findPreviewFile,
  insertDatasetFile,
  listDatasetFiles,
  newestDatasetFile,
  objectsOfDataset,
} from '../../store/entities/dataset-files.ts'
import { type EntityFields, type EntityRow, searchEntities } from '../../store/entities/entities.ts'
import { entityVersions } from '../../store/entities/entity-versions.ts'
import {
  createEntity,
  deleteEntity,
  lockEntity,
  newestItems,
  updateEntity,
  writeEntity,
} from '../../store/entities/write-entity.ts'
import { previewPath } from '../../store/files/storage-path.ts'
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
import { downloadLink, type ReadableObjects, serveFile } from '../files/serve.ts'
import { describeExport } from '../items/exported-file.ts'
import { requireItemsFit, requireUsableSchema } from '../items/item-schema.ts'
import { getEntityVersion, historyText, versionText } from '../versions.ts'
import { datasetsContract } from './contract.ts'
import { type DataFileDeps, fileSource, kept, onlyFile, shownDataFile, storeDataFile } from './data-files.ts'

const kind = 'dataset' as const
const mostListed = 1000
const missing = (message: string) => new AppError('not_found', message)

interface DatasetsDeps extends DataFileDeps {
  objects: ReadableObjects & { remove(ids: string[]): Promise<void> }
  settings: { previewSeconds: number; previewMemoryBytes: number }
}

/** Anybody may validate: with one process, others keep the processor, and previews keep their processes. */
const mostReportsWaiting = 100

/** More processes at once would take the memory of runs. */
const [previewsAtOnce, mostPreviewsWaiting] = [2, 100]

const refused = (error: unknown): unknown =>
  error instanceof PreviewFailed
    ? new AppError('bad_request', error.message, { hint: 'Download the file to look at it.' })
    : error

const largestText = 64 * 1024

/** Replaces the stored preview by the file of a call; an empty file removes it. */
const storePreview = async (
  { database, quota, objects }: DatasetsDeps,
  call: Call<(typeof datasetsContract)['setDatasetPreview']>,
  dataset: EntityRow,
): Promise<EntityRow> => {
  const file = onlyFile(call, 'preview_update')
  await quota.require(dataset.collection_id, 0)
  const isEmpty = file.size === 0
  const write = () =>
    database.transaction(async (queries) => {
      const row = await lockEntity(queries, dataset.id)
      if (!row) throw missing('Dataset not found')
      const before = await findPreviewFile(queries, row.id)
      if (before) await deleteFileRows(queries, [before.path])
      if (!isEmpty) {
        const { object, name, content_type: contentType, size, sha256 } = file
        const path = previewPath({ collection: row.collection_name, dataset: row.name, object, name })
        const at = { datasetId: row.id, collectionId: row.collection_id, number: null }
        await insertDatasetFile(queries, at, { path, object, name, contentType, size, sha256 })
      }
      const next = { ...row, preview_type: isEmpty ? null : file.content_type }
      const saved = { isNewVersion: false, author: authorOf(call.identity) }
      return { row: await writeEntity(queries, next, saved), replaced: before?.object }
    })
  const { row, replaced } = isEmpty ? await write() : await kept(call, write)
  if (!isEmpty) quota.add(row.collection_id, { fileBytes: file.size })
  if (replaced) await objects.remove([replaced]).catch(() => {}) // no row names it, so the sweep removes it later
  return row
}

/** The preview as text; null when there is none, or it is not a short UTF-8 text. */
const storedPreviewText = async ({ database, objects }: DatasetsDeps, dataset: EntityRow): Promise<string | null> => {
  const file = await findPreviewFile(database, dataset.id)
  if (!file || file.size > largestText) return null
  const bytes = await readWhole((await objects.open(file.object)).stream)
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return null
  }
}

type OfData =
  | 'previewDatasetData'
  | 'uploadDatasetData'
  | 'listDatasetData'
  | 'getDatasetData'
  | 'downloadLatestDatasetData'

/** Answers the operations on the data files of a dataset. */
const dataHandlers = (deps: DatasetsDeps): Pick<Handlers<typeof datasetsContract>, OfData> => {
  const { database, objects, links, settings } = deps
  const get = (collection: FoundCollection, name: string) => getEntity(database, { kind, name }, collection)
  const getFile = async (dataset: EntityRow, text: string): Promise<DatasetFileRow> => {
    const number = /^\d{1,9}$/.test(text) ? Number(text) : undefined
    const file = number === undefined ? undefined : await findDatasetFile(database, dataset.id, number)
    if (!file) throw missing(`Data file ${text} not found for this dataset`)
    return file
  }
  const limits = { seconds: settings.previewSeconds, memoryBytes: settings.previewMemoryBytes }
  const previewQueue = makeProcessQueue(makeSlots(withSpare(previewsAtOnce)), mostPreviewsWaiting)

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
      const file = await getFile(dataset, params.number)
      const link = await downloadLink(objects, file)
      return { ...shownDataFile(file, dataset, links.publicUrl), ...(link && { download_url: link }) }
    },

    previewDatasetData: async ({ collection, params }) => {
      const file = await getFile(await get(collection, params.dataset), params.number)
      return previewQueue(ownerOf(collection), () =>
        runPreview(fileSource(objects, file), limits).catch((error: unknown) => {
          throw refused(error)
        }),
      )
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
  const at = { kind, collectionId: collection.id, author: authorOf(identity) }
  const row = await storeWithin(deps, call, collection.id, () => createEntity(deps.database, at, fields))
  if (row === 'taken') throw taken()
  if (row === 'gone') throw missing(`Collection with name '${collection.name}' not found`)
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
  if (!row) throw missing('Dataset not found')
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
const removeDataset = async ({ database, objects }: DatasetsDeps, dataset: EntityRow): Promise<void> => {
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

const tagged = (row: EntityRow) => ({ headers: { etag: stateTag(row) } })
const shown = (row: EntityRow) => rawJson(entityText(row), tagged(row))

export const datasetsRoutes = (deps: DatasetsDeps): Route[] => {
  const { database, objects, settings } = deps
  // The process answers one after the other.
  const reportQueue = makeProcessQueue(makeSlots({ total: 1 }), mostReportsWaiting)
  const report = makeCroissantReporter({ seconds: settings.previewSeconds, memoryBytes: settings.previewMemoryBytes })
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

    validateCroissant: async ({ files: [file], identity }) => {
      if (!file?.bytes) {
        const message = "The request has no file; send it as multipart/form-data, with curl: -F 'file=@metadata.json'"
        throw invalidField(['body', 'file'], message, 'missing')
      }
      const sent = { filename: file.name, bytes: file.bytes }
      return rawJson(await reportQueue(ownerOfCaller(identity), () => report(sent)))
    },

    ...dataHandlers(deps),
  })
}
