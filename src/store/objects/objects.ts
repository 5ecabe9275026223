import type { Readable } from 'node:stream'
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

/** Keeps bytes under opaque ids. Which path a user sees for them is a row in `files`, not our business here. */
export interface ObjectStore {
  /**
   * Resolves once the bytes would survive a power cut. A stream is written as it comes and never held in memory.
   * Throws `too_large` above `maxBytes` and `storage_full`; whatever goes wrong, nothing is left behind.
   */
  put(body: Uint8Array | AsyncIterable<Uint8Array>, options: { maxBytes: number }): Promise<StoredObject>
  /** `size` is that of the whole object, whatever the range. Throws `not_found`. */
  open(id: string, range?: ByteRange): Promise<{ stream: Readable; size: number }>
  /** Removes objects; those already gone do not matter. */
  remove(ids: string[]): Promise<void>
  /** Removes what crashed uploads left more than a day ago, and says how many. */
  sweepTemporary(): Promise<number>
  /** Sets objects aside that no row names, and removes them later; undefined where others have the same folder. */
  sweepUnnamed(sweep: UnnamedSweep): Promise<Swept | undefined>
}
