import type { Database } from '../../database/database.ts'
import type { Call } from '../../http/implement.ts'
import { AppError, invalidField } from '../../lib/errors.ts'
import { timestamp } from '../../lib/time.ts'
import { authorOf } from '../../model/collections/identity.ts'
import type { Quota } from '../../store/collections/quota.ts'
import { type DatasetFileRow, insertDatasetFile, nextFileNumber } from '../../store/entities/dataset-files.ts'
import type { EntityRow } from '../../store/entities/entities.ts'
import { lockEntity, newestItems, writeEntity } from '../../store/entities/write-entity.ts'
import { datasetFilePath } from '../../store/files/storage-path.ts'
import type { datasetsContract } from './contract.ts'

export interface DataFileDeps {
  database: Database
  quota: Pick<Quota, 'add' | 'require'>
  links: { readonly publicUrl: string }
}

type UploadCall = Call<(typeof datasetsContract)['uploadDatasetData']>

/** The only file of a form. Throws a 422 when there is none, or several. */
export const onlyFile = (call: Pick<UploadCall, 'files'>, field: string) => {
  const [file, second] = call.files
  if (second) throw invalidField(['body', field], 'Only one file is allowed', 'too_many')
  if (file) return file
  const message = `The request has no file; send it as multipart/form-data, with curl: -F '${field}=@path'`
  throw invalidField(['body', field], message, 'missing')
}

/** Stores the file of a call under the next number. Sets `data_path` of a dataset that has none. */
export const storeDataFile = async (
  { database, quota }: DataFileDeps,
  call: UploadCall,
  dataset: EntityRow,
): Promise<{ path: string; number: number; dataset: EntityRow }> => {
  const file = onlyFile(call, 'data_file')
  if (file.size === 0) throw new AppError('bad_request', 'Uploaded file is empty')
  await quota.require(dataset.collection_id, 0)
  const stored = await kept(call, () =>
    database.transaction(async (queries) => {
      const row = await lockEntity(queries, dataset.id)
      if (!row) throw new AppError('not_found', 'Dataset not found')
      const number = await nextFileNumber(queries, row.id)
      const path = datasetFilePath({ collection: row.collection_name, dataset: row.name, number, name: file.name })
      const name = path.slice(path.lastIndexOf('/') + 1)
      const { object, content_type: contentType, size, sha256 } = file
      const at = { datasetId: row.id, collectionId: row.collection_id, number }
      await insertDatasetFile(queries, at, { path, object, name, contentType, size, sha256 })
      if (row.path !== null && row.path !== '') return { path, number, dataset: row }
      const items = await newestItems(queries, row)
      const saved = { isNewVersion: true, author: authorOf(call.identity), items }
      return { path, number, dataset: await writeEntity(queries, { ...row, path }, saved) }
    }),
  )
  quota.add(dataset.collection_id, { fileBytes: file.size })
  return stored
}

/** Writes rows for the files of a call. The object store keeps the files only if the rows may be there. */
export const kept = async <T>(call: Pick<UploadCall, 'keepFiles'>, write: () => Promise<T>): Promise<T> => {
  try {
    const written = await write()
    call.keepFiles()
    return written
  } catch (error) {
    // The connection broke before the answer came: the rows may be there, and then they need their objects.
    if (error instanceof AppError && error.code === 'database_unavailable') call.keepFiles()
    throw error
  }
}

/** A data file as clients see it. */
export const shownDataFile = (file: DatasetFileRow, dataset: EntityRow, publicUrl: string) => ({
  download_url: `${publicUrl}/api/v1/file/${file.path.split('/').map(encodeURIComponent).join('/')}`,
  file_path: file.path,
  collection_name: dataset.collection_name,
  dataset_name: dataset.name,
  file_number: file.number ?? 0,
  size: file.size,
  sha256: file.sha256,
  content_type: file.content_type,
  created_at: timestamp(file.created_at),
})
