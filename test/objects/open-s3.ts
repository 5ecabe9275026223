import type { Open } from '../../src/lib/net/open.ts'
import { type BucketLocation, parseStorageLocation } from '../../src/lib/settings/storage-location.ts'
import { makeOutboundNetwork } from '../../src/server/outbound-network.ts'
import type { ObjectStore } from '../../src/store/objects/objects.ts'
import type { DatabaseIdentity } from '../../src/store/objects/owner.ts'
import { makeS3Client, type S3Client, type S3ClientOptions } from '../../src/store/objects/s3/client.ts'
import { makeS3Objects, type S3ObjectsOptions } from '../../src/store/objects/s3/s3-objects.ts'

export interface OpenedS3 {
  store: ObjectStore
  client: S3Client
}

export interface BucketOfTest {
  location: string
  accessKeyId: string
  secretAccessKey: string
}

/** Opens a bucket as a server does, with short pauses. */
export const openS3 = (
  { location, accessKeyId, secretAccessKey }: BucketOfTest,
  identity: DatabaseIdentity = { installation: 'one', origin: '1/1/1' },
  more: Partial<S3ClientOptions & S3ObjectsOptions> = {},
): OpenedS3 => {
  const parsed = parseStorageLocation(location) as BucketLocation
  const open: Open = makeOutboundNetwork({ allowPrivateNetwork: ['127.0.0.0/8'] }).open
  const client = makeS3Client({
    location: parsed,
    region: parsed.region ?? 'us-east-1',
    credentials: { get: async () => ({ accessKeyId, secretAccessKey }), forget: () => {} },
    open,
    firstPauseMs: 5,
    ...more,
  })
  return { client, store: makeS3Objects({ client, identify: async () => identity, claim: async () => {}, ...more }) }
}
