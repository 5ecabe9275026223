import { AppError } from '../../lib/errors.ts'
import type { Open } from '../../lib/net/open.ts'
import { type BucketStorage, bucketStorageSchema } from '../../model/collections/bucket-storage.ts'
import { makeS3Client, type S3Client } from '../objects/s3/client.ts'
import { withBucketErrors } from './bucket-errors.ts'

/** Makes the client for a bucket that a collection names. Keys are whole: the client adds no prefix. */
export const openCollectionBucket = (storage: BucketStorage, open: Open): S3Client => {
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
export const bucketForUploads = (storage: {
  name: string
  provider: string
  info: unknown
}): BucketStorage | undefined => {
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
