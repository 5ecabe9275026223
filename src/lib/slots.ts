import { makeFairQueue } from './fair-queue.ts'

/** A semaphore with at most `size` holders. Waiting owners get free slots in turn. */
export interface Slots {
  /** Acquires a slot: undefined when one is free, else a promise. Owners are collections. */
  acquire(owner?: number): Promise<void> | undefined
  release(): void
  /** Whether the owner has a waiter. */
  isWaiting(owner: number): boolean
  readonly used: number
  readonly free: number
}

export const makeSlots = (size: number): Slots => {
  const waiting = makeFairQueue<() => void>()
  let used = 0
  return {
    acquire(owner = 0) {
      if (used < size) {
        used++
        return undefined
      }
      return new Promise((resolve) => waiting.add(owner, resolve))
    },
    release() {
      const next = waiting.take()
      if (next) next()
      else used--
    },
    isWaiting: (owner) => waiting.has(owner),
    get used() {
      return used
    },
    get free() {
      return size - used
    },
  }
}
