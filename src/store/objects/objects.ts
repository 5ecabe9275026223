import type { Readable } from 'node:stream'
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
