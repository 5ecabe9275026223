import type { Sealer } from '../../lib/secrets/crypto.ts'
import { openStorageInfo } from '../collections/collection-storage.ts'
import type { Queries } from '../database/database.ts'

/** Where the bytes of a data file are in the bucket of its collection. */
export interface BucketPlace {
  bucket: string
  /** Null: AWS. */
  endpoint: string | null
  key: string
}

/** Bytes in the bucket of a collection, as a row of `files` names them. */
export interface BucketObject {
  object: string
  collection_id: number
  size: number
  place: BucketPlace
}

/** Finds which of these objects are in buckets of collections. */
export const bucketObjects = async (queries: Queries, objects: string[]): Promise<BucketObject[]> => {
  const rows = await queries.rows<Omit<BucketObject, 'place'> & { bucket: string }>(
    'bucket_objects',
    'select object, collection_id, size, bucket from files where object = any($1::text[]) and bucket is not null',
    [objects],
  )
  return rows.map(({ bucket, ...row }) => ({ ...row, place: JSON.parse(bucket) as BucketPlace }))
}

/** Reads the storage of a collection, credentials included; undefined when the collection is gone. */
export const readCollectionStorage = async (
  queries: Queries,
  sealer: Sealer,
  id: number,
): Promise<{ name: string; provider: string; info: unknown } | undefined> => {
  const [row] = await queries.rows<{ name: string; provider: string; sealed_storage_info: string | null }>(
    'collection_storage',
    'select name, storage_provider as provider, sealed_storage_info from collections where id = $1',
    [id],
  )
  if (!row) return undefined
  const text = openStorageInfo(sealer, { id, sealed_storage_info: row.sealed_storage_info })
  return { name: row.name, provider: row.provider, info: text === null ? null : JSON.parse(text) }
}
