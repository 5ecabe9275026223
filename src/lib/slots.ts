import { makeFairQueue } from './fair-queue.ts'

/** A counting gate: at most `size` holders at once. A free slot goes to the waiting owners in turn. */
export interface Slots {
  /** Undefined when there is room at once; else the promise of a slot. Owners are collections. */
  acquire(owner?: number): Promise<void> | undefined
  release(): void
  /** Whether something of the owner waits for a slot. */
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
