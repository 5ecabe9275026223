import type { Readable } from 'node:stream'
import { AppError } from '../../lib/errors.ts'
import { makeByteBudget } from '../../lib/memory/byte-budget.ts'
import type { Open } from '../../lib/net/open.ts'
import type { Sealer } from '../../lib/secrets/crypto.ts'
import { type BucketStorage, bucketStorageSchema } from '../../model/collections/bucket-storage.ts'
import type { Queries } from '../database/database.ts'
import type { ByteRange, LinkOptions } from '../objects/objects.ts'
import { RemovalFailed, throwFailed } from '../objects/removal.ts'
import { makeS3Client, type S3Client } from '../objects/s3/client.ts'
import { openDownload } from '../objects/s3/download.ts'
import { removeKeys } from '../objects/s3/remove.ts'
import { bucketLeft, isBucketGone, objectChanged, objectGone, withBucketErrors } from './bucket-errors.ts'
import { type BucketObject, type BucketPlace, bucketObjects, readCollectionStorage } from './bucket-place.ts'
import { type CollectionBucket, openForUploads } from './collection-bucket.ts'

/** Makes the client for a bucket that a collection names. Keys are whole: the client adds no prefix. */
const openCollectionBucket = (storage: BucketStorage, open: Open): S3Client => {
  const { bucket, endpoint, access_key_id: accessKeyId, secret_access_key: secretAccessKey } = storage
  const region = storage.region ?? 'us-east-1'
  const isPathStyle = Boolean(endpoint) || bucket.includes('.')
  const origin = endpoint ? new URL(endpoint).origin : undefined
  const location = { kind: 's3' as const, bucket, prefix: '', endpoint: origin, region, isPathStyle }
  const credentials = { get: async () => ({ accessKeyId, secretAccessKey }), forget: () => {} }
  return withBucketErrors(makeS3Client({ location, region, credentials, open }))
}

const incomplete = (collection: string, why: string): AppError =>
  new AppError('bad_request', `The storage of collection '${collection}' is incomplete: ${why}`, {
    hint: 'PATCH /api/v1/collections/{collection}/storage with the whole storage_info.',
  })

/**
 * Returns the bucket that new data files of a collection go to; undefined: the storage of the server. Throws `bad_request`
 * for a provider that cannot be written to.
 */
const bucketForUploads = (storage: { name: string; provider: string; info: unknown }): BucketStorage | undefined => {
  const { name, provider, info } = storage
  if (provider === 'default' || provider === '') return undefined
  if (provider === 'gcp') {
    throw new AppError('bad_request', `Data files cannot be uploaded to 'gcp' with a service account`, {
      hint: `Create HMAC keys for the bucket in Google Cloud, and set storage_provider to 's3' with storage_info {bucket, path_prefix, endpoint: "https://storage.googleapis.com", access_key_id, secret_access_key}.`,
    })
  }
  if (provider !== 's3') {
    throw new AppError(
      'bad_request',
      `The storage provider '${provider.slice(0, 100)}' of collection '${name}' is not supported`,
      {
        hint: `Set storage_provider to 'default' for the storage of this server, or to 's3' for a bucket.`,
      },
    )
  }
  const parsed = bucketStorageSchema.safeParse(info ?? {})
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw incomplete(name, `storage_info.${issue?.path.join('.')}: ${issue?.message}`)
}

export interface CollectionBuckets {
  /** Returns undefined if data files go to the storage of the server. Throws `bad_request` for an unusable provider. */
  bucketOf(collectionId: number): Promise<CollectionBucket | undefined>
  open(object: string, range?: ByteRange): Promise<{ stream: Readable; size: number }>
  link(object: string, options: LinkOptions): Promise<string>
  /** Removes the bytes, where the collection still names the bucket. Tries all, then throws `RemovalFailed`. */
  remove(objects: string[]): Promise<void>
}

/** Memory of all uploads to buckets of collections: four large ones at once. */
const uploadMemoryBytes = 96 * 1024 * 1024

/** The settings of a collection, if they name this bucket. The keys and the prefix may be new ones. */
const settingsFor = (info: unknown, { bucket, endpoint }: BucketPlace): BucketStorage | undefined => {
  const { data } = bucketStorageSchema.safeParse(info)
  return data?.bucket === bucket && (data.endpoint ?? null) === endpoint ? data : undefined
}

interface CollectionBucketsOptions {
  database: Queries
  sealer: Sealer
  /** The guarded network: users name the endpoints. */
  open: Open
}

export const makeCollectionBuckets = ({ database, sealer, open }: CollectionBucketsOptions): CollectionBuckets => {
  const memory = makeByteBudget(uploadMemoryBytes)

  const clientFor = async (collectionId: number, place: BucketPlace): Promise<S3Client | undefined> => {
    const storage = await readCollectionStorage(database, sealer, collectionId)
    const settings = settingsFor(storage?.info, place)
    return settings && openCollectionBucket(settings, open)
  }

  const locate = async (object: string): Promise<BucketObject & { client: S3Client }> => {
    const [found] = await bucketObjects(database, [object])
    if (!found) throw new AppError('not_found', 'File not found')
    const client = await clientFor(found.collection_id, found.place)
    if (!client) throw bucketLeft(found.place.bucket)
    return { ...found, client }
  }

  return {
    async bucketOf(collectionId) {
      const storage = await readCollectionStorage(database, sealer, collectionId)
      const settings = storage && bucketForUploads(storage)
      return settings && openForUploads(settings, openCollectionBucket(settings, open), memory)
    },

    async open(object, range) {
      const { client, place, size } = await locate(object)
      const opened = await openDownload(client, place.key, range)
      if (!opened) throw objectGone(client.where, place.key)
      if (opened.size === size) return opened
      opened.stream.destroy()
      throw objectChanged(client.where, place.key, { found: opened.size, stored: size })
    },

    async link(object, { seconds, disposition, contentType }) {
      const { client, place } = await locate(object)
      const query = { 'response-content-disposition': disposition, 'response-content-type': contentType }
      return client.link(place.key, query, seconds)
    },

    async remove(objects) {
      const failed: { id: string; error: unknown }[] = []
      const groups = new Map<string, BucketObject[]>()
      for (const one of await bucketObjects(database, objects)) {
        const key = `${one.collection_id} ${one.place.endpoint} ${one.place.bucket}`
        groups.set(key, [...(groups.get(key) ?? []), one])
      }
      for (const group of groups.values()) failed.push(...(await removeGroup(group, clientFor)))
      throwFailed(failed)
    },
  }
}

/** Removes bytes of one bucket. Those in a bucket that is gone, or not named any more, are none of ours. */
const removeGroup = async (
  group: BucketObject[],
  clientFor: (collectionId: number, place: BucketPlace) => Promise<S3Client | undefined>,
): Promise<{ id: string; error: unknown }[]> => {
  const [first] = group
  const client = first && (await clientFor(first.collection_id, first.place))
  if (!client) return []
  try {
    await removeKeys(client, new Map(group.map(({ place, object }) => [place.key, object])))
    return []
  } catch (error) {
    if (!(error instanceof RemovalFailed)) throw error
    return isBucketGone(error.cause) ? [] : error.ids.map((id) => ({ id, error: error.cause }))
  }
}
