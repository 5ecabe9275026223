import type { Call } from '../../http/implement.ts'
import { AppError } from '../../lib/errors.ts'
import { readWhole } from '../../lib/memory/byte-blocks.ts'
import { authorOf } from '../../model/collections/identity.ts'
import { deleteFileRows, findPreviewFile, insertDatasetFile } from '../../store/entities/dataset-files.ts'
import type { EntityRow } from '../../store/entities/entities.ts'
import { lockEntity, writeEntity } from '../../store/entities/write-entity.ts'
import { previewPath } from '../../store/files/storage-path.ts'
import type { ReadableObjects } from '../files/serve.ts'
import type { datasetsContract } from './contract.ts'
import { type DataFileDeps, kept, onlyFile } from './data-files.ts'

export interface PreviewDeps extends DataFileDeps {
  objects: ReadableObjects & { remove(ids: string[]): Promise<void> }
}

const largestText = 64 * 1024

/** Replaces the stored preview by the file of a call; an empty file removes it. */
export const storePreview = async (
  { database, quota, objects }: PreviewDeps,
  call: Call<(typeof datasetsContract)['setDatasetPreview']>,
  dataset: EntityRow,
): Promise<EntityRow> => {
  const file = onlyFile(call, 'preview_update')
  await quota.require(dataset.collection_id, 0)
  const isEmpty = file.size === 0
  const write = () =>
    database.transaction(async (queries) => {
      const row = await lockEntity(queries, dataset.id)
      if (!row) throw new AppError('not_found', 'Dataset not found')
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
  if (replaced) await objects.remove([replaced]).catch(() => {}) // no row names it: the sweep removes what is left
  return row
}

/** The preview as text; null when there is none, or it is not a short UTF-8 text. */
export const storedPreviewText = async (
  { database, objects }: Pick<PreviewDeps, 'database' | 'objects'>,
  dataset: EntityRow,
): Promise<string | null> => {
  const file = await findPreviewFile(database, dataset.id)
  if (!file || file.size > largestText) return null
  const bytes = await readWhole((await objects.open(file.object)).stream)
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return null
  }
}
