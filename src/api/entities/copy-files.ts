import type { Database } from '../../database/database.ts'
import { AppError } from '../../lib/errors.ts'
import type { Quota } from '../../store/collections/quota.ts'
import { datasetHasBytes, insertDatasetFile, nextFileNumber } from '../../store/entities/dataset-files.ts'
import type { EntityRow } from '../../store/entities/entities.ts'
import { lockEntity, newestItems, writeEntity } from '../../store/entities/write-entity.ts'
import { findFile } from '../../store/files/files.ts'
import { datasetFilePath } from '../../store/files/storage-path.ts'
import type { ObjectStore } from '../../store/objects/objects.ts'

export interface CopyFilesDeps {
  database: Database
  objects: Pick<ObjectStore, 'open' | 'put' | 'remove'>
  quota: Pick<Quota, 'add' | 'require'>
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
  { database, objects, quota }: CopyFilesDeps,
  dataset: EntityRow,
  file: { object: string; name: string; content_type: string; author: string },
): Promise<{ version: number | undefined } | undefined> => {
  await quota.require(dataset.collection_id, 0)
  const { stream } = await objects.open(file.object)
  const { id: object, size, sha256 } = await objects.put(stream, { maxBytes: mostBytes })
  const copied = await database.transaction(async (queries) => {
    const row = await lockEntity(queries, dataset.id)
    if (!row) throw new AppError('not_found', 'Dataset not found')
    if (await datasetHasBytes(queries, row.id, { sha256 })) return undefined // files of old versions have no hash
    const number = await nextFileNumber(queries, row.id)
    const path = datasetFilePath({ collection: row.collection_name, dataset: row.name, number, name: file.name })
    const at = { datasetId: row.id, collectionId: row.collection_id, number }
    const name = path.slice(path.lastIndexOf('/') + 1)
    await insertDatasetFile(queries, at, { path, object, name, contentType: file.content_type, size, sha256 })
    if (row.path !== null && row.path !== '') return { version: undefined }
    const items = await newestItems(queries, row)
    const options = { isNewVersion: true, author: file.author, items }
    return { version: (await writeEntity(queries, { ...row, path }, options)).version }
  })
  if (copied) quota.add(dataset.collection_id, { fileBytes: size })
  else await objects.remove([object])
  return copied
}
