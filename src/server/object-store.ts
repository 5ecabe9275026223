import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { AppError } from '../lib/errors.ts'
import type { Logger } from '../lib/log.ts'
import type { Settings } from '../lib/settings/config.ts'
import type { BucketLocation, StorageLocation } from '../lib/settings/storage-location.ts'
import { pause } from '../lib/time.ts'
import type { Queries } from '../store/database/database.ts'
import { namedObjects } from '../store/files/files.ts'
import { identifyDatabase } from '../store/installation.ts'
import { openDiskObjects } from '../store/objects/disk.ts'
import { claimStorage, type StoragePlace } from '../store/objects/moving.ts'
import { isObjectId } from '../store/objects/object-id.ts'
import type { ObjectStore } from '../store/objects/objects.ts'
import { heldByBackups, joinStores } from '../store/objects/overlay.ts'
import { folderId } from '../store/objects/owner.ts'
import { bucketUrl, makeS3Client, type S3Client } from '../store/objects/s3/client.ts'
import { makeCredentialSource } from '../store/objects/s3/credentials/chain.ts'
import { bucketId } from '../store/objects/s3/notes.ts'
import { makeS3Objects } from '../store/objects/s3/s3-objects.ts'
import { makeOutboundNetwork } from './outbound-network.ts'

/** Local addresses where containers and machines of a cloud get their credentials. Requests of steps may not reach them. */
const credentialHosts = ['169.254.169.254', '169.254.170.2', '169.254.170.23', '[fd00:ec2::23]', '127.0.0.0/8']

interface BucketOptions {
  settings: Pick<Settings, 'storageAccessKeyId' | 'storageSecretAccessKey'>
  variables: Record<string, string | undefined>
}

/** The host, with its port, that requests to a bucket go to. */
const hostOf = (location: BucketLocation, region: string): string => {
  const { hostname, port, protocol } = new URL(bucketUrl(location, region))
  return `${hostname}:${port || (protocol === 'https:' ? '443' : '80')}`
}

/**
 * Makes the client for a bucket. The operator named its endpoint, so a private address is allowed, but only that one:
 * steps cannot use this client.
 */
export const openBucket = (location: BucketLocation, { settings, variables }: BucketOptions): S3Client => {
  const region = location.region ?? (variables.AWS_REGION || variables.AWS_DEFAULT_REGION || 'us-east-1')
  const timeouts = { connectTimeoutSeconds: 5 }
  const network = makeOutboundNetwork({ allowPrivateNetwork: [hostOf(location, region)], ...timeouts })
  const { fetch } = makeOutboundNetwork({ allowPrivateNetwork: credentialHosts, ...timeouts })
  const credentials = makeCredentialSource({
    accessKeyId: settings.storageAccessKeyId,
    secretAccessKey: settings.storageSecretAccessKey,
    variables,
    region,
    fetch,
  })
  return makeS3Client({ location, region, credentials, open: network.open })
}

export interface StorageOptions extends BucketOptions {
  database: Queries
  dataDir: string
}

/** A storage that is not yet bound to the database. */
interface OpenedStorage {
  /** Reads which storage it is: for a bucket, a request. */
  place(): Promise<StoragePlace>
  /** Opens its objects. `claim` completes before anything is written or removed. */
  open(claim: () => Promise<void>): Promise<ObjectStore>
}

/** Prepares the folder of files, or a bucket. */
export const prepareStorage = (location: StorageLocation, options: StorageOptions): OpenedStorage => {
  const identify = () => identifyDatabase(options.database)
  if (location.kind === 's3') {
    const client = openBucket(location, options)
    return {
      place: async () => ({ id: await bucketId(client), name: `storage ${client.where}` }),
      open: async (claim) => makeS3Objects({ client, identify, claim }),
    }
  }
  const folder = join(options.dataDir, 'files')
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  return {
    place: async () => ({ id: folderId(folder), name: `folder ${folder}` }),
    async open(claim) {
      await claim()
      return openDiskObjects(folder, identify)
    },
  }
}

interface ObjectStoreOptions extends StorageOptions {
  settings: BucketOptions['settings'] & Pick<Settings, 'storage' | 'storageFrom' | 'storageLinks'>
  log: Logger
}

/** Opens where the bytes of files are. Throws where the database was used with another storage before. */
export const openObjectStore = async (options: ObjectStoreOptions): Promise<ObjectStore> => {
  const { database, log, settings } = options
  const current = prepareStorage(settings.storage, options)
  const former = settings.storageFrom && prepareStorage(settings.storageFrom, options)
  const claim = async () => claimStorage(database, await current.place(), await former?.place())
  const objects = await current.open(claim)
  if (settings.storage.kind === 's3') await checkAtStart(objects, log)
  const joined = former ? joinStores(objects, await former.open(async () => {})) : objects
  if (!settings.storageLinks) Object.assign(joined, { link: async () => undefined })
  return reportingLosses(heldByBackups(joined, database), { named: (ids) => namedObjects(database, ids), log })
}

/**
 * A bucket that does not answer does not keep the server from starting: runs without files go on. One that refuses the
 * credentials, or does not exist, does.
 */
const checkAtStart = async (objects: ObjectStore, log: Logger): Promise<void> => {
  try {
    await objects.check()
  } catch (error) {
    const isAway = error instanceof AppError && error.code === 'storage_unavailable' && error.retryable
    if (!isAway) throw error
    log.warn({ err: error }, 'the storage of files does not answer; the server starts, and files wait for it')
  }
}

/** A deletion removes bytes before rows, so a row may name deleted bytes for this long. */
const deletionMs = 3_000

/**
 * Wraps a store so that a missing object which the database names is reported as lost data, and logged, instead of being
 * not found.
 */
const reportingLosses = (
  objects: ObjectStore,
  { named, log, waitMs = deletionMs }: { named(ids: string[]): Promise<Set<string>>; log: Logger; waitMs?: number },
): ObjectStore => {
  const isNamed = async (id: string): Promise<boolean> => (await named([id])).has(id)
  const open: ObjectStore['open'] = async (id, range) => {
    try {
      return await objects.open(id, range)
    } catch (error) {
      if (!(error instanceof AppError && error.code === 'not_found' && isObjectId(id))) throw error
      if (!(await isNamed(id))) throw error
      await pause(waitMs)
      if (!(await isNamed(id))) throw error
      log.error({ object: id, storage: objects.where }, 'data loss: the bytes of a file are not in the storage')
      throw new AppError('object_missing', `The bytes of this file are lost: object ${id} is not in ${objects.where}`, {
        hint: 'Restore the object from a backup of the storage.',
        cause: error,
      })
    }
  }
  return Object.create(objects, { open: { value: open, enumerable: true } }) as ObjectStore
}
