import { makeFairQueue, type Owner } from './fair-queue.ts'

/**
 * A semaphore that payers share fairly. A free slot goes to the payer that holds the fewest, among those to the one whose
 * turn is next, and of a payer to its collections in turn. A payer with several collections has the share of one.
 */
export interface Slots {
  /**
   * Acquires a slot: undefined when one is free, else a promise. The signal takes a waiter out of the queue, and rejects
   * its promise.
   */
  acquire(owner: Owner, signal?: AbortSignal): Promise<void> | undefined
  /** Gives a slot back that the owner holds. */
  release(owner: Owner): void
  /** Whether the owner would get a slot at once. */
  isFree(owner: Owner): boolean
  /** Whether the collection has a waiter. */
  isWaiting(owner: Owner): boolean
  /** Number of waiters of the payer. */
  waitingOf(payer: Owner['payer']): number
  readonly used: number
  readonly total: number
}

interface SlotLimits {
  total: number
  /** Maximum slots of one payer. The rest is kept for others. */
  share?: number
}

/**
 * Slots of which one payer may have all that were asked for. One in eight more, at least one, are kept for others: whoever
 * fills them with work that takes minutes does not let others wait as long.
 */
export const withSpare = (share: number): Required<SlotLimits> => ({
  total: share + Math.max(1, Math.floor(share / 8)),
  share,
})

/** Does work while it holds a slot. */
export const withSlot = async <Result>(
  slots: Slots,
  owner: Owner,
  work: () => Promise<Result> | Result,
): Promise<Result> => {
  await slots.acquire(owner)
  try {
    return await work()
  } finally {
    slots.release(owner)
  }
}

export const makeSlots = ({ total, share = total }: SlotLimits): Slots => {
  const waiting = makeFairQueue<() => void>()
  const held = new Map<Owner['payer'], number>()
  let used = 0

  const heldBy = ({ payer }: Owner): number => held.get(payer) ?? 0
  const count = (owner: Owner, by: 1 | -1): void => {
    used += by
    const now = heldBy(owner) + by
    if (now > 0) held.set(owner.payer, now)
    else held.delete(owner.payer)
  }
  const isFree = (owner: Owner): boolean => used < total && heldBy(owner) < share

  /** The waiter that gets the next slot. */
  const nextOwner = (): Owner | undefined => {
    let best: Owner | undefined
    let fewest = share
    for (const owner of waiting.payers()) {
      const holds = heldBy(owner)
      if (holds >= fewest) continue
      best = owner
      fewest = holds
      if (holds === 0) break
    }
    return best
  }

  return {
    acquire(owner, signal) {
      if (isFree(owner)) {
        count(owner, 1)
        return undefined
      }
      return new Promise((resolve, reject) => {
        const leave = () => {
          waiting.remove((one) => one === take)
          reject(signal?.reason)
        }
        const take = () => {
          signal?.removeEventListener('abort', leave)
          resolve()
        }
        if (signal?.aborted) return reject(signal.reason)
        signal?.addEventListener('abort', leave)
        waiting.add(owner, take)
      })
    },
    release(owner) {
      count(owner, -1)
      const next = waiting.size > 0 ? nextOwner() : undefined
      if (!next) return
      count(next, 1)
      waiting.takeOf(next)?.()
    },
    isFree,
    isWaiting: waiting.has,
    waitingOf: waiting.countOf,
    get used() {
      return used
    },
    total,
  }
}
