import type { PreviewSource } from '../../datasets/preview/preview.ts'
import type { Call } from '../../http/implement.ts'
import { AppError, invalidField } from '../../lib/errors.ts'
import { readWhole } from '../../lib/memory/byte-blocks.ts'
import { timestamp } from '../../lib/time.ts'
import { authorOf } from '../../model/collections/identity.ts'
import type { CollectionBuckets } from '../../store/buckets/collection-buckets.ts'
import type { Quota } from '../../store/collections/quota.ts'
import type { Database } from '../../store/database/database.ts'
import type { DatasetFileRow } from '../../store/entities/dataset-files.ts'
import type { EntityRow } from '../../store/entities/entities.ts'
import type { ObjectStore } from '../../store/objects/objects.ts'
import { type AddedDataFile, addDataFileInBucket, addNextDataFile } from '../entities/add-data-file.ts'
import type { datasetsContract } from './contract.ts'

export interface DataFileDeps {
  database: Database
  quota: Pick<Quota, 'add' | 'require'>
  buckets: Pick<CollectionBuckets, 'bucketOf'>
  links: { readonly publicUrl: string }
}

/** A stored file that is read by ranges. */
export const fileSource = (
  objects: Pick<ObjectStore, 'open'>,
  file: { name: string; size: number; object: string },
): PreviewSource => ({
  name: file.name,
  size: file.size,
  read: async (start, end) => {
    const last = Math.min(end, file.size) - 1
    if (last < start) return new Uint8Array()
    const { stream } = await objects.open(file.object, { start, end: last })
    return readWhole(stream)
  },
})

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
  { database, quota, objects, buckets }: DataFileDeps & { objects: Pick<ObjectStore, 'open'> },
  call: UploadCall,
  dataset: EntityRow,
): Promise<AddedDataFile> => {
  const file = onlyFile(call, 'data_file')
  if (file.size === 0) throw new AppError('bad_request', 'Uploaded file is empty')
  const { object, name, content_type: contentType, size, sha256 } = file
  const added = { object, name, contentType, size, sha256, author: authorOf(call.identity) }
  const bucket = await buckets.bucketOf(dataset.collection_id)
  if (bucket) return addDataFileInBucket({ database, objects }, bucket, dataset, added) // the copy here is not kept
  await quota.require(dataset.collection_id, 0)
  const stored = await kept(call, () => database.transaction((queries) => addNextDataFile(queries, dataset.id, added)))
  quota.add(dataset.collection_id, { fileBytes: size })
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
