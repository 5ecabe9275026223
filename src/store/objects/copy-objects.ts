import { atATime } from '../../lib/at-a-time.ts'
import { AppError } from '../../lib/errors.ts'
import { pause } from '../../lib/time.ts'
import type { Queries } from '../database/database.ts'
import { namedObjects, type StoredBytes, storedBytesAfter } from '../files/files.ts'
import type { ObjectStore } from './objects.ts'

export interface CopyCounts {
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

export interface CopyJob {
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
export const copyObjects = async (job: CopyJob): Promise<CopyCounts> => {
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
