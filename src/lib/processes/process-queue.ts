import { AppError } from '../errors.ts'
import { makeSlots } from '../slots.ts'

/** Runs work when a process is free. Owners, which are collections, get free processes in turn. */
export type ProcessQueue = <Result>(owner: number, work: () => Promise<Result>) => Promise<Result>

/** Makes a queue with a few processes at once. Rejects with `busy` when too many calls wait. */
export const makeProcessQueue = ({ atOnce, mostWaiting }: { atOnce: number; mostWaiting: number }): ProcessQueue => {
  const slots = makeSlots(atOnce)
  let open = 0
  return async (owner, work) => {
    if (open >= atOnce + mostWaiting) {
      const message = `${mostWaiting} files wait to be read in a process of their own, which is the most that may`
      throw new AppError('busy', message, { retryAfterSeconds: 5 })
    }
    open++
    await slots.acquire(owner)
    try {
      return await work()
    } finally {
      open--
      slots.release()
    }
  }
}
