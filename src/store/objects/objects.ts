import type { Readable } from 'node:stream'
import { messageOf } from '../../lib/errors.ts'
import type { Ownership } from './owner.ts'
import type { Swept, UnnamedSweep } from './unnamed.ts'

/** A durably stored object: `size` in bytes, `sha256` in hex. */
export interface StoredObject {
  id: string
  size: number
  sha256: string
}

/** Zero-based inclusive range, as in HTTP; without `end` it reaches the last byte. */
export interface ByteRange {
  start: number
  end?: number
}

/** Some objects could not be removed; all others are gone. */
export class RemovalFailed extends Error {
  readonly ids: readonly string[]

  constructor(ids: readonly string[], cause: unknown) {
    super(`${ids.length} stored files cannot be removed, the first is ${ids[0]}: ${messageOf(cause)}`, { cause })
    this.name = 'RemovalFailed'
    this.ids = ids
  }
}

/** Throws `RemovalFailed` if there are failures. */
export const throwFailed = (failed: readonly { id: string; error: unknown }[]): void => {
  const [first] = failed
  if (!first) return
  throw new RemovalFailed(
    failed.map(({ id }) => id),
    first.error,
  )
}

/** Removes what can be removed and returns the failures. */
export const removeAll = async (
  objects: { remove(ids: string[]): Promise<void> },
  ids: string[],
): Promise<RemovalFailed | undefined> => {
  try {
    await objects.remove(ids)
    return undefined
  } catch (error) {
    if (error instanceof RemovalFailed) return error
    throw error
  }
}

/** Stores bytes under opaque ids. The user-visible paths are rows in `files`. */
export interface ObjectStore {
  /**
   * Stores bytes; resolves once they would survive a power cut. Streams are never buffered whole. Throws `too_large`
   * above `maxBytes`, and `storage_full`; a failure leaves nothing behind.
   */
  put(body: Uint8Array | AsyncIterable<Uint8Array>, options: { maxBytes: number }): Promise<StoredObject>
  /** Opens an object; `size` is that of the whole object, whatever the range. Throws `not_found`. */
  open(id: string, range?: ByteRange): Promise<{ stream: Readable; size: number }>
  /**
   * Removes objects; missing ones are ignored. Tries all before it throws `RemovalFailed`. Removes nothing when the
   * database is a copy that was not adopted.
   */
  remove(ids: string[]): Promise<void>
  /** Removes partial writes older than a day and returns their number. */
  sweepTemporary(): Promise<number>
  /** Compares the database's identity with the folder's notes. */
  owner(): Promise<Ownership>
  /**
   * Sets unreferenced objects aside and removes them later; undefined when the folder is shared with another database.
   */
  sweepUnnamed(sweep: UnnamedSweep): Promise<Swept | undefined>
}
