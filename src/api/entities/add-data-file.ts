import { AppError } from '../../lib/errors.ts'
import type { BucketPlace, CollectionBucket } from '../../store/buckets/collection-buckets.ts'
import type { Database, Queries } from '../../store/database/database.ts'
import { findDatasetFile, insertDatasetFile, nextFileNumber } from '../../store/entities/dataset-files.ts'
import type { EntityRow } from '../../store/entities/entities.ts'
import { lockEntity, newestItems, writeEntity } from '../../store/entities/write-entity.ts'
import { datasetFilePath } from '../../store/files/storage-path.ts'
import type { ObjectStore } from '../../store/objects/objects.ts'

/** A data file whose bytes are in the storage of the server. */
export interface NewDataFile {
  object: string
  name: string
  contentType: string
  size: number
  sha256: string
  author: string
}

export interface AddedDataFile {
  path: string
  number: number
  dataset: EntityRow
  /** The version of the dataset that this made; undefined: none. */
  version: number | undefined
}

const pathOf = (row: EntityRow, number: number, name: string): string =>
  datasetFilePath({ collection: row.collection_name, dataset: row.name, number, name })

const baseName = (path: string): string => path.slice(path.lastIndexOf('/') + 1)

const gone = () => new AppError('not_found', 'Dataset not found')

/** Adds a data file to a locked dataset. Sets `data_path` of a dataset that has none. */
export const addDataFile = async (
  queries: Queries,
  row: EntityRow,
  file: NewDataFile & { bucket?: BucketPlace },
  number: number,
): Promise<AddedDataFile> => {
  const { object, contentType, size, sha256, author, bucket } = file
  const path = pathOf(row, number, file.name)
  const at = { datasetId: row.id, collectionId: row.collection_id, number }
  await insertDatasetFile(queries, at, { path, object, name: baseName(path), contentType, size, sha256, bucket })
  if (row.path !== null && row.path !== '') return { path, number, dataset: row, version: undefined }
  const items = await newestItems(queries, row)
  const dataset = await writeEntity(queries, { ...row, path }, { isNewVersion: true, author, items })
  return { path, number, dataset, version: dataset.version }
}

/** Locks the dataset, and adds a data file under its next number. */
export const addNextDataFile = async (
  queries: Queries,
  datasetId: number,
  file: NewDataFile,
): Promise<AddedDataFile> => {
  const row = await lockEntity(queries, datasetId)
  if (!row) throw gone()
  return addDataFile(queries, row, file, await nextFileNumber(queries, row.id))
}

interface BucketDeps {
  database: Database
  objects: Pick<ObjectStore, 'open'>
}

/** Others may put objects into the same folder at any time. */
const mostTries = 20

/** The last upload of each dataset: not every storage refuses to overwrite an object that was uploaded in parts. */
const lastUploads = new Map<number, Promise<unknown>>()

const inTurn = async <Result>(datasetId: number, work: () => Promise<Result>): Promise<Result> => {
  const mine = (lastUploads.get(datasetId) ?? Promise.resolve()).catch(() => {}).then(work)
  lastUploads.set(datasetId, mine)
  try {
    return await mine
  } finally {
    if (lastUploads.get(datasetId) === mine) lastUploads.delete(datasetId)
  }
}

/** Copies the bytes to the bucket of the collection, under the next number that is free in both, and adds the data file. */
export const addDataFileInBucket = (
  { database, objects }: BucketDeps,
  bucket: CollectionBucket,
  dataset: EntityRow,
  file: NewDataFile,
): Promise<AddedDataFile> => {
  const folder = `${dataset.collection_name}/${dataset.name}`
  const addRow = (number: number, stored: { object: string; place: BucketPlace }) =>
    database.transaction(async (queries) => {
      const row = await lockEntity(queries, dataset.id)
      if (!row) throw gone()
      if (await findDatasetFile(queries, row.id, number)) return undefined
      return addDataFile(queries, row, { ...file, object: stored.object, bucket: stored.place }, number)
    })
  return inTurn(dataset.id, async () => {
    let number = await nextFileNumber(database, dataset.id)
    for (let tries = 0; tries < mostTries; tries++) {
      const name = baseName(pathOf(dataset, number, file.name))
      const stored = await bucket.store({ folder, name }, (await objects.open(file.object)).stream)
      const added =
        stored && (await addRow(number, stored).catch((error) => dropUnlessNamed(bucket, stored.place, error)))
      if (added) return added
      if (stored) await bucket.remove(stored.place)
      number = Math.max(number + 1, await nextFileNumber(database, dataset.id), await bucket.nextNumber(folder))
    }
    throw new AppError('busy', `Data files of '${dataset.name}' come faster than they can be numbered`, {
      retryAfterSeconds: 5,
    })
  })
}

/** Removes bytes whose row was not written. After a lost connection it may be there: then the bytes stay. */
const dropUnlessNamed = async (bucket: CollectionBucket, place: BucketPlace, error: unknown): Promise<never> => {
  const isUnknown = error instanceof AppError && error.code === 'database_unavailable'
  if (!isUnknown) await bucket.remove(place).catch(() => {})
  throw error
}
