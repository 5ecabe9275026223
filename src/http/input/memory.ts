import type { Owner } from '../../lib/fair-queue.ts'
import type { ByteBudget, Share } from '../../lib/memory/byte-budget.ts'
import { uncountedBytes } from '../../lib/memory/json-memory.ts'
import { type Identity, ownerOfCaller } from '../../model/collections/identity.ts'

/** Reserves memory for more bytes. Undefined when it is available at once. */
export type Room = (bytes: number) => Promise<void> | undefined

/** Memory that a call holds until its answer was sent. Values up to 64 KiB are not counted. */
export interface CallMemory {
  /** Undefined when there is room at once. Throws `too_large`, and rejects with `busy` after some seconds. */
  take: Room
  giveBack(bytes: number): void
}

/** A request waits this long for memory before it is refused; shorter than `bodyIdleSeconds`. */
const longestWaitForMemoryMs = 10_000

/** The owner of a request that names no collection: the payer of its key. */
export const memoryOwner = (identity: Identity | undefined, address: string | undefined): Owner => {
  return identity ? ownerOfCaller(identity) : { payer: `from ${address}`, collectionId: 0 }
}

/** The memory of a call, for any owner. */
export interface MemoryHold {
  /**
   * Counts for this owner, unless memory was reserved for another one before. `opened` is called before the first
   * reservation.
   */
  of(owner: Owner, opened?: () => void): CallMemory
  /** Whether anything is reserved. */
  isHeld(): boolean
  /** Returns all of it. */
  end(): void
}

/** Makes the hold of one call. `what` names the request in errors. */
export const holdMemory = (budget: ByteBudget | undefined, what: () => string): MemoryHold => {
  let share: Share | undefined
  return {
    of: (owner, opened) => ({
      take(bytes) {
        if (!budget || bytes <= uncountedBytes) return undefined
        if (!share) {
          share = budget.open(owner, 'request')
          opened?.()
        }
        return share.add(bytes, { what: what(), waitMs: longestWaitForMemoryMs })
      },
      giveBack(bytes) {
        if (bytes > uncountedBytes) share?.giveBack(bytes)
      },
    }),
    isHeld: () => share !== undefined,
    end: () => share?.end(),
  }
}
