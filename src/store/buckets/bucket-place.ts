import type { Sealer } from '../../lib/secrets/crypto.ts'
import { openStorageInfo } from '../collections/collections.ts'
import type { Queries } from '../database/database.ts'
import { orNull, pick, query, queryOne, text } from '../database/table.ts'
import { type FileRow, files } from '../files/files.ts'

/** Where the bytes of a data file are in the bucket of its collection. */
export interface BucketPlace {
  bucket: string
  /** Null: AWS. */
  endpoint: string | null
  key: string
}

/** Bytes in the bucket of a collection, as a row of `files` names them. */
export interface BucketObject extends Pick<FileRow, 'object' | 'collection_id' | 'size'> {
  place: BucketPlace
}

const objectsInBuckets = query(
  'bucket_objects',
  { ...pick(files.columns, ['object', 'collection_id', 'size']), bucket: text },
  'select object, collection_id, size, bucket from files where object = any($1::text[]) and bucket is not null',
  (objects: string[]) => [objects],
)

/** Finds which of these objects are in buckets of collections. */
export const bucketObjects = async (queries: Queries, objects: string[]): Promise<BucketObject[]> => {
  const rows = await objectsInBuckets(queries, objects)
  return rows.map(({ bucket, ...row }) => ({ ...row, place: JSON.parse(bucket) as BucketPlace }))
}

const findStorage = queryOne(
  'collection_storage',
  { name: text, provider: text, sealed_storage_info: orNull(text) },
  'select name, storage_provider as provider, sealed_storage_info from collections where id = $1',
  (id: number) => [id],
)

/** Reads the storage of a collection, credentials included; undefined when the collection is gone. */
export const readCollectionStorage = async (
  queries: Queries,
  sealer: Sealer,
  id: number,
): Promise<{ name: string; provider: string; info: unknown } | undefined> => {
  const row = await findStorage(queries, id)
  if (!row) return undefined
  const text = openStorageInfo(sealer, { id, sealed_storage_info: row.sealed_storage_info })
  return { name: row.name, provider: row.provider, info: text === null ? null : JSON.parse(text) }
}
