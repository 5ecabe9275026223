import { AppError } from '../../lib/errors.ts'
import type { CollectionBucket } from '../../store/buckets/collection-bucket.ts'
import type { CollectionBuckets } from '../../store/buckets/collection-buckets.ts'
import type { Quota } from '../../store/collections/quota.ts'
import type { Database } from '../../store/database/database.ts'
import { datasetHasBytes, nextFileNumber } from '../../store/entities/dataset-files.ts'
import type { EntityRow } from '../../store/entities/entities.ts'
import { lockEntity } from '../../store/entities/write-entity.ts'
import { findFile } from '../../store/files/files.ts'
import type { ObjectStore } from '../../store/objects/objects.ts'
import { type AddedDataFile, addDataFile, addDataFileInBucket, type NewDataFile } from './add-data-file.ts'

export interface CopyFilesDeps {
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
export const copyFiles = async (
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
    await deps.objects.remove([file.object]).catch(() => {}) // no row names it: the sweep removes what is left
  }
}
