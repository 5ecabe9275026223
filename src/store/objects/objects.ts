import type { Readable } from 'node:stream'
import type { Ownership } from './owner.ts'
import type { Swept, UnnamedSweep } from './unnamed.ts'

/** A durably stored object: `size` in bytes, `sha256` in hex. */
export interface StoredObject {
  id: string
  size: number
  sha256: string
}

export interface PutOptions {
  maxBytes: number
  /** Id to store under, for a copy of an object of another store; default: a random one. */
  id?: string
}

/** Zero-based inclusive range, as in HTTP; without `end` it reaches the last byte. */
export interface ByteRange {
  start: number
  end?: number
}

/** Whether the store answered when it was last used, and if not, why. */
export interface StorageState {
  ok: boolean
  reason: string | null
}

/** A link that reads an object without a key of this server. */
export interface LinkOptions {
  /** How long it is good. */
  seconds: number
  /** `Content-Disposition` and `Content-Type` of the answer. */
  disposition: string
  contentType: string
}

/**
 * Stores bytes under opaque ids, each written once. The user-visible paths are rows in `files`. A store that is not on
 * this machine throws `storage_unavailable` while it does not answer.
 */
export interface ObjectStore {
  /** The folder, or `s3://bucket/prefix`. */
  readonly where: string
  /** True if the store is on another machine. It then limits the time of each request itself. */
  readonly isRemote: boolean
  /** Outcome of the last use of a remote store. The folder of a disk store is checked elsewhere. */
  readonly state: StorageState
  /**
   * Stores bytes; resolves once they would survive a power cut and every process can read them. Streams are never
   * buffered whole. Throws `too_large` above `maxBytes`, and `storage_full`; a failure leaves nothing behind.
   */
  put(body: Uint8Array | AsyncIterable<Uint8Array>, options: PutOptions): Promise<StoredObject>
  /** Opens an object; `size` is that of the whole object, whatever the range. Throws `not_found`. */
  open(id: string, range?: ByteRange): Promise<{ stream: Readable; size: number }>
  /** Makes a link to an object; undefined where its bytes have to pass through this server. */
  link(id: string, options: LinkOptions): Promise<string | undefined>
  /** Returns the size of an object; undefined when there is none. */
  sizeOf(id: string): Promise<number | undefined>
  /**
   * Removes objects; missing ones are ignored. Tries all before it throws `RemovalFailed`. Removes nothing when the
   * database is a copy that was not adopted.
   */
  remove(ids: string[]): Promise<void>
  /** Writes, reads and removes a small object. Throws an error that says what failed. */
  check(): Promise<void>
  /** Removes partial writes older than a day and returns their number. */
  sweepTemporary(): Promise<number>
  /** Compares the database's identity with the notes of the store. */
  owner(): Promise<Ownership>
  /**
   * Sets unreferenced objects aside and removes them later; undefined when the store is shared with another database.
   */
  sweepUnnamed(sweep: UnnamedSweep): Promise<Swept | undefined>
}
