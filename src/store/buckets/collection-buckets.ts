import { randomUUID } from 'node:crypto'
import type { Readable } from 'node:stream'
import { AppError } from '../../lib/errors.ts'
import { type ByteBudget, makeByteBudget } from '../../lib/memory/byte-budget.ts'
import type { Open } from '../../lib/net/open.ts'
import type { Sealer } from '../../lib/secrets/crypto.ts'
import { type BucketStorage, bucketStorageSchema } from '../../model/collections/bucket-storage.ts'
import { openStorageInfo } from '../collections/collections.ts'
import type { Queries } from '../database/database.ts'
import { orNull, pick, query, queryOne, text } from '../database/table.ts'
import { type FileRow, files } from '../files/files.ts'
import type { ByteRange, LinkOptions, ObjectStore } from '../objects/objects.ts'
import { RemovalFailed, removeAll, throwFailed } from '../objects/removal.ts'
import type { S3Fault } from '../objects/s3/answer.ts'
import { makeS3Client, type S3Client } from '../objects/s3/client.ts'
import { listObjects } from '../objects/s3/listing.ts'
import { removeKeys } from '../objects/s3/remove.ts'
import { openDownload } from '../objects/s3/s3-objects.ts'
import { cutBody, uploadNew } from '../objects/s3/upload.ts'

/** Remedies by S3's name of the error, for whoever may change `storage_info`. */
const remedies: Record<string, string> = {
  NoSuchBucket: 'Create the bucket, or correct storage_info.bucket.',
  InvalidAccessKeyId: 'Correct storage_info.access_key_id, and check that storage_info.endpoint is right.',
  SignatureDoesNotMatch: 'Correct storage_info.secret_access_key and storage_info.region.',
  AuthorizationHeaderMalformed: 'Set storage_info.region to the region of the bucket.',
  PermanentRedirect: 'Set storage_info.region or storage_info.endpoint to those of the bucket.',
}
const denied = 'Allow the keys of storage_info to read, write, list and delete objects in the bucket.'

/** Name of the error, or the status: the text beside it is written by a server that a user chose. */
const saidBy = ({ status, code }: S3Fault): string =>
  code !== undefined && /^[A-Za-z]{1,64}$/.test(code) ? code : `HTTP status ${status}`

const isFault = (cause: unknown): cause is S3Fault =>
  typeof cause === 'object' && cause !== null && 'status' in cause && !(cause instanceof Error)

const away = (where: string, why: string): AppError =>
  new AppError('storage_unavailable', `The bucket ${where} of this collection does not answer: ${why}`, {
    hint: 'Try again in a moment. If it lasts, look at the bucket.',
    retryable: true,
    retryAfterSeconds: 5,
  })

/**
 * Translates an error of the S3 client for a bucket that is named by `storage_info`. A passing failure stays
 * `storage_unavailable`; what a user has to correct becomes `conflict`, which no step waits for.
 */
const bucketError = (where: string, error: unknown): unknown => {
  if (!(error instanceof AppError)) return error
  if (error.code === 'address_refused') {
    return new AppError('conflict', `The bucket ${where} of this collection has an address that is not allowed`, {
      hint: 'Set storage_info.endpoint to a public address, or ask the operator to allow it in JETTY_ALLOW_PRIVATE_NETWORK.',
    })
  }
  if (error.code !== 'storage_unavailable' && error.code !== 'storage_full') return error
  const fault = error.cause
  if (!isFault(fault)) return fault instanceof AppError ? away(where, fault.message) : error
  const said = saidBy(fault)
  if (error.code === 'storage_full' || !error.retryable) {
    return new AppError('conflict', `The bucket ${where} of this collection refused a request: ${said}`, {
      hint:
        error.code === 'storage_full'
          ? 'Raise the quota of the bucket, or free some space in it.'
          : (remedies[said] ?? denied),
      cause: { status: fault.status, code: said },
    })
  }
  return away(where, said)
}

/** Wraps a client so that its errors name `storage_info` instead of settings of the server. */
export const withBucketErrors = (client: S3Client): S3Client =>
  Object.create(client, {
    send: {
      value: (request: Parameters<S3Client['send']>[0]) =>
        client.send(request).catch((error: unknown) => {
          throw bucketError(client.where, error)
        }),
    },
  }) as S3Client

/** Whether the whole bucket is gone, so that there is nothing to remove. */
const isBucketGone = (error: unknown): boolean =>
  error instanceof AppError && isFault(error.cause) && error.cause.code === 'NoSuchBucket'

const objectGone = (where: string, key: string): AppError =>
  new AppError('not_found', `The bytes of this file are not in the bucket of its collection: ${where} has no ${key}`, {
    hint: 'Put the object back into the bucket.',
  })

const objectChanged = (where: string, key: string, sizes: { found: number; stored: number }): AppError =>
  new AppError('conflict', `${where}/${key} was changed: it has ${sizes.found} bytes instead of ${sizes.stored}`, {
    hint: 'Put the object back, or upload the new bytes as another data file.',
  })

const bucketLeft = (bucket: string): AppError =>
  new AppError('conflict', `This file is in the bucket ${bucket}, which the collection no longer names`, {
    hint: 'Set storage_info back to that bucket, with keys that may read it.',
  })

/** Where the bytes of a data file are in the bucket of its collection. */
export interface BucketPlace {
  bucket: string
  /** Null: AWS. */
  endpoint: string | null
  key: string
}

/** Bytes in the bucket of a collection, as a row of `files` names them. */
interface BucketObject extends Pick<FileRow, 'object' | 'collection_id' | 'size'> {
  place: BucketPlace
}

const objectsInBuckets = query(
  'bucket_objects',
  { ...pick(files.columns, ['object', 'collection_id', 'size']), bucket: text },
  'select object, collection_id, size, bucket from files where object = any($1::text[]) and bucket is not null',
  (objects: string[]) => [objects],
)

/** Finds which of these objects are in buckets of collections. */
const bucketObjects = async (queries: Queries, objects: string[]): Promise<BucketObject[]> => {
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
const readCollectionStorage = async (
  queries: Queries,
  sealer: Sealer,
  id: number,
): Promise<{ name: string; provider: string; info: unknown } | undefined> => {
  const row = await findStorage(queries, id)
  if (!row) return undefined
  const text = openStorageInfo(sealer, { id, sealed_storage_info: row.sealed_storage_info })
  return { name: row.name, provider: row.provider, info: text === null ? null : JSON.parse(text) }
}

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

/** The bucket that a collection's new data files go to. */
export interface CollectionBucket {
  /** Stores the bytes of a data file under a name; undefined when the name is taken. */
  store(
    file: { folder: string; name: string },
    body: Readable,
  ): Promise<{ object: string; place: BucketPlace } | undefined>
  /** The number of the next data file in a folder: one more than the highest, counting files that other programs stored. */
  nextNumber(folder: string): Promise<number>
  remove(place: BucketPlace): Promise<void>
}

const idStart = 'bucket-'

/** Whether the bytes of a file are in the bucket of its collection. */
const isInBucket = (object: string): boolean => object.startsWith(idStart)

const numberIn = (key: string): number => Number(/\/data\.(\d{6,9})\.[^/]*$/.exec(key)?.[1] ?? -1)

/** Makes the bucket of one collection, for uploads of data files. */
const openForUploads = (settings: BucketStorage, client: S3Client, memory: ByteBudget): CollectionBucket => {
  const folderOf = (folder: string) => [settings.path_prefix, 'mlcbakery', folder].filter(Boolean).join('/')
  return {
    async store({ folder, name }, body) {
      const key = `${folderOf(folder)}/${name}`
      const share = memory.open({ payer: folder, collectionId: 0 })
      try {
        const measured = cutBody(body, { maxBytes: Number.MAX_SAFE_INTEGER, share })
        if (!(await uploadNew(client, key, measured, share))) return undefined
      } finally {
        share.end()
        body.destroy()
      }
      const place = { bucket: settings.bucket, endpoint: settings.endpoint ?? null, key }
      return { object: `${idStart}${randomUUID()}`, place }
    },

    async nextNumber(folder) {
      let highest = -1
      for await (const { objects } of listObjects(client, `${folderOf(folder)}/data.`)) {
        for (const { name } of objects) highest = Math.max(highest, numberIn(name))
      }
      return highest + 1
    },

    remove: ({ key }) => removeKeys(client, new Map([[key, key]])),
  }
}

/**
 * Joins the storage of the server with the buckets of collections, so that whoever reads or removes a file need not know
 * where its bytes are. New objects go to the storage of the server. With `mayLink` false no client gets a link to a bucket.
 */
export const withCollectionBuckets = (
  objects: ObjectStore,
  buckets: CollectionBuckets,
  { mayLink }: { mayLink: boolean },
): ObjectStore => {
  const open: ObjectStore['open'] = (id, range) => (isInBucket(id) ? buckets.open(id, range) : objects.open(id, range))
  const link: ObjectStore['link'] = async (id, options) => {
    if (!isInBucket(id)) return objects.link(id, options)
    return mayLink ? buckets.link(id, options) : undefined
  }
  const remove: ObjectStore['remove'] = async (ids) => {
    const theirs = ids.filter(isInBucket)
    const failed = await removeAll(
      objects,
      ids.filter((id) => !isInBucket(id)),
    )
    // A copy of a database leaves the bytes to the one that it was copied from.
    const isCopy = theirs.length > 0 && (await objects.owner()).state === 'copied'
    const failedThere = theirs.length > 0 && !isCopy ? await removeAll(buckets, theirs) : undefined
    const stuck = [...(failed?.ids ?? []), ...(failedThere?.ids ?? [])]
    if (stuck.length > 0) throw new RemovalFailed(stuck, (failed ?? failedThere)?.cause)
  }
  const value = <Member>(member: Member) => ({ value: member, enumerable: true })
  return Object.create(objects, { open: value(open), link: value(link), remove: value(remove) }) as ObjectStore
}
