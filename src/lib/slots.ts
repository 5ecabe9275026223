import { makeFairQueue } from './fair-queue.ts'

/** A semaphore with at most `size` holders. Waiting owners get free slots in turn. */
export interface Slots {
  /**
   * Acquires a slot: undefined when one is free, else a promise. Owners are collections. The signal takes a waiter out of
   * the queue, and rejects its promise.
   */
  acquire(owner?: number, signal?: AbortSignal): Promise<void> | undefined
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
    acquire(owner = 0, signal) {
      if (used < size) {
        used++
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
