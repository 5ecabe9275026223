import { AppError } from '../../lib/errors.ts'
import type { NewProduct, ProductMaker, RegisteredProduct, RegisterProduct } from '../../model/data/product.ts'
import type { CollectionBucket, CollectionBuckets } from '../../store/buckets/collection-buckets.ts'
import type { Quota } from '../../store/collections/quota.ts'
import type { Database } from '../../store/database/database.ts'
import { datasetHasBytes, nextFileNumber } from '../../store/entities/dataset-files.ts'
import { type EntityRow, findEntity, findEntityById } from '../../store/entities/entities.ts'
import { type EntityNode, ensureRelationship, findNode, readNodes } from '../../store/entities/relationships.ts'
import { createEntity, lockEntity, newestItems, updateEntity } from '../../store/entities/write-entity.ts'
import { findFile } from '../../store/files/files.ts'
import { noteRunProduct } from '../../store/items/lineage.ts'
import type { ObjectStore } from '../../store/objects/objects.ts'
import { requireItemsFit, requireUsableSchema } from '../items/item-schema.ts'
import { type StoreItemsDeps, storeItems } from '../items/store-items.ts'
import { type AddedDataFile, addDataFile, addDataFileInBucket, type NewDataFile } from './add-data-file.ts'
import { emptyFields, storedFields } from './fields.ts'

interface CopyFilesDeps {
  database: Database
  objects: Pick<ObjectStore, 'open' | 'put' | 'remove'>
  quota: Pick<Quota, 'add' | 'require'>
  buckets: Pick<CollectionBuckets, 'bucketOf'>
}

const mostBytes = Number.MAX_SAFE_INTEGER

/**
 * Copies stored files of the dataset's collection into the dataset, so that they stay when their run is deleted. A file
 * whose bytes the dataset has already is left out, so a repeated step adds nothing. Returns how many were added, and the
 * version that this made, if it made one.
 */
const copyFiles = async (
  deps: CopyFilesDeps,
  dataset: EntityRow,
  { paths, author, signal }: { paths: readonly string[]; author: string; signal: AbortSignal },
): Promise<{ added: number; version: number | undefined }> => {
  let added = 0
  let version: number | undefined
  for (const path of paths) {
    signal.throwIfAborted()
    const file = await findFile(deps.database, path)
    if (file?.collection_id !== dataset.collection_id) {
      throw new AppError('not_found', `There is no file '${path}' in collection '${dataset.collection_name}'`, {
        hint: 'Use a path from the outputs of an earlier step, or of the files sent with the run.',
      })
    }
    if (await datasetHasBytes(deps.database, dataset.id, file)) continue
    const copied = await copyFile(deps, dataset, { ...file, author })
    if (copied) added++
    version = copied?.version ?? version
  }
  return { added, version }
}

/** Copies one file; undefined where the dataset has its bytes already. */
const copyFile = async (
  deps: CopyFilesDeps,
  dataset: EntityRow,
  file: { object: string; name: string; content_type: string; author: string },
): Promise<Pick<AddedDataFile, 'version'> | undefined> => {
  const { database, objects, quota } = deps
  const bucket = await deps.buckets.bucketOf(dataset.collection_id)
  if (!bucket) await quota.require(dataset.collection_id, 0)
  const { stream } = await objects.open(file.object)
  const { id: object, size, sha256 } = await objects.put(stream, { maxBytes: mostBytes })
  const added = { object, name: file.name, contentType: file.content_type, size, sha256, author: file.author }
  if (bucket) return copyToBucket(deps, bucket, dataset, added)
  const copied = await database.transaction(async (queries) => {
    const row = await lockEntity(queries, dataset.id)
    if (!row) throw new AppError('not_found', 'Dataset not found')
    if (await datasetHasBytes(queries, row.id, { sha256 })) return undefined // files of old versions have no hash
    return addDataFile(queries, row, added, await nextFileNumber(queries, row.id))
  })
  if (copied) quota.add(dataset.collection_id, { fileBytes: size })
  else await objects.remove([object])
  return copied
}

const copyToBucket = async (
  deps: CopyFilesDeps,
  bucket: CollectionBucket,
  dataset: EntityRow,
  file: NewDataFile,
): Promise<AddedDataFile | undefined> => {
  try {
    if (await datasetHasBytes(deps.database, dataset.id, file)) return undefined
    return await addDataFileInBucket(deps, bucket, dataset, file)
  } finally {
    await deps.objects.remove([file.object]).catch(() => {}) // no row names it, so the sweep removes it later
  }
}

type RegisterDeps = StoreItemsDeps & CopyFilesDeps

const words = { dataset: 'dataset', trained_model: 'model' } as const
const nothing = { added: 0, changed: 0, removed: 0, unchanged: 0, count: 0 }

/** Versions that a step made name the run. */
const authorOfRun = ({ trajectoryId }: ProductMaker): string => `run:${trajectoryId}`

const goneMeanwhile = ({ kind, name }: NewProduct) =>
  new AppError('not_found', `The ${words[kind]} '${name}' was deleted while it was registered`)

/** Creates the entity, or changes the given fields of the one with its name. */
const writeFields = async (
  { database, quota }: RegisterDeps,
  maker: ProductMaker,
  product: NewProduct,
): Promise<{ row: EntityRow; created: boolean }> => {
  const { kind, name } = product
  const body = { ...product.fields, name }
  const text = JSON.stringify(body)
  requireUsableSchema(product.fields.item_schema, () => {})
  const fields = storedFields(body, text)
  const at = { kind, collectionId: maker.collectionId }
  const author = authorOfRun(maker)
  await quota.require(maker.collectionId, 0)
  const found = await findEntity(database, { ...at, name })
  const made = found ? 'taken' : await createEntity(database, { ...at, author }, { ...emptyFields(name), ...fields })
  if (made === 'gone') throw goneMeanwhile(product)
  if (made !== 'taken') {
    quota.add(maker.collectionId, { databaseBytes: Buffer.byteLength(text) })
    return { row: made, created: true }
  }
  const before = found ?? (await findEntity(database, { ...at, name }))
  const { name: _, ...changed } = fields // its name stays as it is spelled
  const check: Parameters<typeof updateEntity>[3]['check'] = (locked, queries) =>
    requireItemsFit(queries, locked, changed.item_schema)
  const row = before && (await updateEntity(database, before.id, changed, { author, check }))
  if (!before || !row || row === 'taken') throw goneMeanwhile(product)
  if (row.version > before.version) quota.add(maker.collectionId, { databaseBytes: Buffer.byteLength(text) })
  return { row, created: false }
}

/** Finds what the product was made from: entities of the run's collection, and public ones. */
const sourcesOf = async ({ database }: RegisterDeps, maker: ProductMaker, texts: readonly string[]) => {
  const found: EntityNode[] = []
  for (const text of texts) {
    const [type = '', collection = '', name = '', ...rest] = text.split('/')
    const node = rest.length > 0 ? undefined : await findNode(database, { type, collection, name })
    if (!node || (node.is_private && node.collection_id !== maker.collectionId)) {
      throw new AppError('not_found', `There is no '${text}' to have made something from`, {
        hint: `Write made_from as type/collection/name, such as dataset/${maker.collection}/questions.`,
      })
    }
    found.push(node)
  }
  return found
}

const link = async (
  { database }: RegisterDeps,
  maker: ProductMaker,
  { row, sources, activity }: { row: EntityRow; sources: readonly EntityNode[]; activity: string },
): Promise<void> => {
  const tasks = await readNodes(database, [], [maker.taskId])
  const target: EntityNode = { ...row, type: row.kind }
  for (const source of [...tasks, ...sources]) {
    if (source.type === target.type && source.id === target.id) continue // a dataset that grows is made from itself
    await ensureRelationship(database, { source, target, activity }, authorOfRun(maker))
  }
}

/**
 * Makes the function by which a step registers a dataset or model. Doing it again with the same content makes no new
 * version, so a step that is executed twice after a crash registers once.
 */
export const makeRegisterProduct =
  (deps: RegisterDeps): RegisterProduct =>
  async (maker, product): Promise<RegisteredProduct> => {
    const { database } = deps
    const author = authorOfRun(maker)
    const sources = await sourcesOf(deps, maker, product.madeFrom ?? [])
    const { row, created } = await writeFields(deps, maker, product)
    const files = product.files?.length
      ? await copyFiles(deps, row, { paths: product.files, author, signal: maker.signal })
      : undefined
    const given = product.items?.map((item) => ({ ...item, source: sourceOf(maker) }))
    const loc = (at: number) => ['items', at]
    const written = given && (await storeItems(deps, row, { given, mode: product.mode ?? 'upsert', author, loc }))
    const newest = await findEntityById(database, row.id)
    if (!newest) throw goneMeanwhile(product)
    const version = written?.version ?? files?.version ?? row.version // others may have made newer ones meanwhile
    await noteRunProduct(database, { runKey: maker.runKey, entityId: row.id, seq: version, step: maker.step })
    await link(deps, maker, { row: newest, sources, activity: product.activityName })
    const count = written?.count ?? (await newestItems(database, newest))?.count ?? 0
    const { name, collection_name: collection } = newest
    return { ...nothing, ...written, name, collection, version, created, count, files: files?.added ?? 0 }
  }

const sourceOf = ({ collection, task, trajectoryId }: ProductMaker) => ({
  ...{ collection, task, trajectory_id: trajectoryId, output_path: null, corrected: false },
})
