import type { Readable } from 'node:stream'
import { messageOf } from '../../lib/errors.ts'
import type { Ownership } from './owner.ts'
import type { Swept, UnnamedSweep } from './unnamed.ts'

/** What is known of an object once it is safe on disk. `size` is in bytes, `sha256` in hex. */
export interface StoredObject {
  id: string
  size: number
  sha256: string
}

/** Both ends are counted from 0 and included, as in an HTTP range; an absent `end` means to the last byte. */
export interface ByteRange {
  start: number
  end?: number
}

/** Some objects could not be removed; the others are gone. */
export class RemovalFailed extends Error {
  readonly ids: readonly string[]

  constructor(ids: readonly string[], cause: unknown) {
    super(`${ids.length} stored files cannot be removed, the first is ${ids[0]}: ${messageOf(cause)}`, { cause })
    this.name = 'RemovalFailed'
    this.ids = ids
  }
}

/** Throws for what could not be removed, if there is any. */
export const throwFailed = (failed: readonly { id: string; error: unknown }[]): void => {
  const [first] = failed
  if (!first) return
  throw new RemovalFailed(
    failed.map(({ id }) => id),
    first.error,
  )
}

/** Removes what can be removed, and gives why the rest could not. */
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

/** Keeps bytes under opaque ids. Which path a user sees for them is a row in `files`, not our business here. */
export interface ObjectStore {
  /**
   * Resolves once the bytes would survive a power cut. A stream is written as it comes and never held in memory.
   * Throws `too_large` above `maxBytes` and `storage_full`; whatever goes wrong, nothing is left behind.
   */
  put(body: Uint8Array | AsyncIterable<Uint8Array>, options: { maxBytes: number }): Promise<StoredObject>
  /** `size` is that of the whole object, whatever the range. Throws `not_found`. */
  open(id: string, range?: ByteRange): Promise<{ stream: Readable; size: number }>
  /**
   * Removes objects; those already gone do not matter. Tries all before it throws `RemovalFailed`. Keeps all where the
   * database is a copy that was not adopted.
   */
  remove(ids: string[]): Promise<void>
  /** Removes what crashed uploads left more than a day ago, and says how many. */
  sweepTemporary(): Promise<number>
  /** Asks the database who it is, and says whether the folder is its own. */
  owner(): Promise<Ownership>
  /** Sets objects aside that no row names, and removes them later; undefined where others have the same folder. */
  sweepUnnamed(sweep: UnnamedSweep): Promise<Swept | undefined>
}
