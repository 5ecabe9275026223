/** Copies the bytes of files to another storage, or gives a storage to a database, with or without a running server. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { atATime } from '../../lib/at-a-time.ts'
import { AppError } from '../../lib/errors.ts'
import type { Settings } from '../../lib/settings/config.ts'
import { type StorageLocation, shownLocation } from '../../lib/settings/storage-location.ts'
import { pause } from '../../lib/time.ts'
import { noteChange } from '../../store/collections/audit.ts'
import { patient, type Queries } from '../../store/database/database.ts'
import { namedObjects, type StoredBytes, storedBytesAfter } from '../../store/files/files.ts'
import { identifyDatabase, moveClaim } from '../../store/installation.ts'
import { endCopy, forgetMove, keepCopyPlace, readCopyPlace } from '../../store/objects/moving.ts'
import type { ObjectStore } from '../../store/objects/objects.ts'
import { adoptFolder, type DatabaseIdentity, folderId, lookAtOwner, type Ownership } from '../../store/objects/owner.ts'
import { adoptBucket, bucketId, lookAtBucketOwner } from '../../store/objects/s3/notes.ts'
import { openBucket, prepareStorage } from '../object-store.ts'
import { byOperator, withDatabase } from './reach-database.ts'

interface CopyCounts {
  /** Objects that the database names and this pass looked at. */
  objects: number
  copied: number
  /** Bytes of the copied ones. */
  bytes: number
  /** Objects that the destination had already. */
  present: number
  /** Ids of objects that are in neither store. */
  missing: string[]
  /** Ids of objects whose bytes differ from what the database says about them. */
  damaged: string[]
}

const noCounts = (): CopyCounts => ({ objects: 0, copied: 0, bytes: 0, present: 0, missing: [], damaged: [] })

interface CopyJob {
  queries: Queries
  from: ObjectStore
  to: ObjectStore
  /** Id of the last object of an earlier pass that was cut short; empty: from the beginning. */
  after: string
  /** Called after each page, once all its objects are stored. */
  onPage(after: string, counts: CopyCounts): Promise<void>
  signal?: AbortSignal | undefined
  /** Objects between two calls of `onPage`; tests shorten it. */
  pageSize?: number | undefined
}

const usualPageSize = 200
const atOnce = 4
/** Ids that are listed of those that are missing or damaged. */
const mostListed = 1_000

const isNotFound = (error: unknown): boolean => error instanceof AppError && error.code === 'not_found'

const list = (ids: string[], id: string): void => {
  if (ids.length < mostListed) ids.push(id)
}

/** Copies one object under its own id, and verifies size and hash of what was read on the way. */
const copyOne = async ({ queries, from, to }: CopyJob, row: StoredBytes, counts: CopyCounts): Promise<void> => {
  const { object: id, size, sha256 } = row
  const isNamed = async () => (await namedObjects(queries, [id])).has(id)
  if ((await to.sizeOf(id)) === size) {
    counts.present += 1
    return
  }
  try {
    const { stream } = await from.open(id)
    const stored = await to.put(stream, { maxBytes: Number.MAX_SAFE_INTEGER, id })
    const isRight = stored.size === size && (sha256 === null || stored.sha256 === sha256)
    if (!isRight) list(counts.damaged, id)
    // Deleted in the meantime: then its copy goes too, since no row will ever name it again.
    if (!isRight || !(await isNamed())) return await to.remove([id])
    counts.copied += 1
    counts.bytes += size
  } catch (error) {
    if (!isNotFound(error)) throw error
    if (await isNamed()) list(counts.missing, id)
  }
}

/**
 * Copies every object that the database names from one store to another, in the order of their ids, while both are in use.
 * Throws `storage_unavailable` when one of them is away; the next call goes on after the last whole page.
 */
const copyObjects = async (job: CopyJob): Promise<CopyCounts> => {
  const { pageSize = usualPageSize } = job
  const counts = noCounts()
  for (let after = job.after; ; ) {
    job.signal?.throwIfAborted()
    const page = await storedBytesAfter(job.queries, after, pageSize)
    await atATime(atOnce, page, (row) => copyOne(job, row, counts))
    counts.objects += page.length
    after = page.at(-1)?.object ?? after
    await job.onPage(after, counts)
    if (page.length < pageSize) break
  }
  counts.missing = await stillMissing(job, counts.missing)
  return counts
}

/** A deletion removes bytes before rows: what it was about to finish is not missing. */
const deletionMs = 3_000

const stillMissing = async ({ queries, to, signal }: CopyJob, ids: string[]): Promise<string[]> => {
  if (ids.length === 0) return ids
  await pause(deletionMs, signal)
  const named = await namedObjects(queries, ids)
  const sizes = await atATime(atOnce, ids, (id) => to.sizeOf(id))
  return ids.filter((id, at) => named.has(id) && sizes[at] === undefined)
}

export type CopyProgress = CopyCounts

export interface CopiedStorage extends CopyCounts {
  from: string
  to: string
  /** The object after which the copy continued; empty if it began with the first one. */
  resumed_after: string
  /** Everything is in the new storage, and new files go there: JETTY_STORAGE_FROM can be removed. */
  is_complete: boolean
}

interface CopyStorageOptions {
  settings: Settings
  variables: Record<string, string | undefined>
  from: StorageLocation
  to: StorageLocation
  onProgress?(counts: CopyCounts): void
  signal?: AbortSignal
  /** See `CopyJob`. */
  pageSize?: number
}

/** Copies what is missing, verifies it, and remembers after each page how far it has come. */
export const copyStorage = async (options: CopyStorageOptions): Promise<CopiedStorage> => {
  const { settings, variables, onProgress, signal, pageSize } = options
  return withDatabase(settings, 4, async (opened, { dataDir }) => {
    const database = patient(opened, signal ?? new AbortController().signal)
    const deps = { settings, variables, database, dataDir }
    const [source, target] = [prepareStorage(options.from, deps), prepareStorage(options.to, deps)]
    const [{ id: fromId }, { id: toId }] = [await source.place(), await target.place()]
    if (fromId === toId) throw sameStorage(options.from)
    const place = await readCopyPlace(database, fromId, toId)
    const unclaimed = async () => {} // the servers bind the database to a storage, not this command
    const counts = await copyObjects({
      queries: database,
      from: await source.open(unclaimed),
      to: await target.open(unclaimed),
      after: place.after,
      async onPage(after, sofar) {
        await keepCopyPlace(database, { ...place, after })
        onProgress?.(sofar)
      },
      signal,
      pageSize,
    })
    const is_complete = place.isFinal && counts.missing.length + counts.damaged.length === 0
    await endCopy(database, is_complete)
    const [from, to] = [shownLocation(options.from), shownLocation(options.to)]
    return { from, to, resumed_after: place.after, ...counts, is_complete }
  })
}

const sameStorage = (location: StorageLocation): AppError =>
  new AppError('invalid', `Source and target are the same storage, ${shownLocation(location)}`, {
    hint: 'Set JETTY_STORAGE to the new storage and JETTY_STORAGE_FROM to the old one, or use --from and --to.',
  })

interface AdoptedStorage {
  /** The folder, or `s3://bucket/prefix`. */
  folder: string
  /** The former owner of the storage. */
  before: Ownership['state']
  /** The databases that used it. */
  others: string[]
}

interface Adoptable {
  name: string
  id(): Promise<string>
  owner(identity: DatabaseIdentity): Promise<Ownership>
  adopt(identity: DatabaseIdentity): Promise<void>
}

const adoptableOf = (location: StorageLocation, settings: Settings, dataDir: string): Adoptable => {
  if (location.kind === 's3') {
    const client = openBucket(location, { settings, variables: process.env })
    return {
      name: client.where,
      id: () => bucketId(client),
      owner: (identity) => lookAtBucketOwner(client, identity),
      adopt: (identity) => adoptBucket(client, identity),
    }
  }
  const folder = join(dataDir, 'files')
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  return {
    name: folder,
    id: async () => folderId(folder),
    owner: (identity) => lookAtOwner(folder, identity),
    adopt: (identity) => adoptFolder(folder, identity),
  }
}

/** Makes the storage and the database of these settings each other's, whatever they were used with before. */
export const adoptStorage = (settings: Settings): Promise<AdoptedStorage> =>
  withDatabase(settings, 1, async (database, { dataDir }) => {
    const storage = adoptableOf(settings.storage, settings, dataDir)
    const identity = await identifyDatabase(database)
    const owner = await storage.owner(identity)
    await storage.adopt(identity)
    await moveClaim(database, await storage.id())
    await forgetMove(database)
    const [before, others] = [owner.state, owner.state === 'alone' ? [] : owner.others]
    await noteChange(
      database,
      { ...byOperator, operation: 'adoptStorage', target: storage.name, changes: '' },
      { before, others },
    )
    return { folder: storage.name, before, others }
  })
