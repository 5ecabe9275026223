import type { ShareOwner } from '../../lib/memory/owner-caps.ts'
import type { Identity } from '../../model/collections/identity.ts'

/** Takes memory for so many bytes more; undefined where there is room at once. */
export type Room = (bytes: number) => Promise<void> | undefined

/** Memory that one call holds until its answer has left. Values of up to 64 KiB are not counted. */
export interface CallMemory {
  /** Undefined where there is room at once. Throws `too_large`, and rejects with `busy` after some seconds. */
  take: Room
  giveBack(bytes: number): void
}

/** Before it is refused a request waits so long for memory; shorter than `bodyIdleSeconds`. */
export const longestWaitForMemoryMs = 10_000

/** Who large values are counted for where a request names no collection: the only one of its key, or the key. */
export const memoryOwner = (identity: Identity | undefined, address: string | undefined): ShareOwner => {
  if (!identity) return `from ${address}`
  const [id, ...more] = identity.collectionIds
  return id !== undefined && more.length === 0 ? id : `key ${identity.keyId ?? 'admin'}`
}
