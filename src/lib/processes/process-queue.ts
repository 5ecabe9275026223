import { AppError } from '../errors.ts'
import type { Owner } from '../fair-queue.ts'
import type { Slots } from '../slots.ts'

/** Runs work when a process is free. Payers get free processes in turn. */
export type ProcessQueue = <Result>(owner: Owner, work: () => Promise<Result>) => Promise<Result>

/** Makes a queue for processes. Rejects with `busy` when too many calls wait, or three quarters of them for one payer. */
export const makeProcessQueue = (slots: Slots, mostWaiting: number): ProcessQueue => {
  let waiting = 0
  return async (owner, work) => {
    const slot = slots.isFree(owner)
    if (!slot && (waiting >= mostWaiting || slots.waitingOf(owner.payer) >= mostWaiting * 0.75)) {
      const message = `${slots.waitingOf(owner.payer)} of your files wait to be read in a process of their own, of ${waiting} in all`
      throw new AppError('busy', message, {
        hint: 'Try again once some of them have been read.',
        retryAfterSeconds: 5,
      })
    }
    waiting++
    await slots.acquire(owner)
    waiting--
    try {
      return await work()
    } finally {
      slots.release(owner)
    }
  }
}
