import type { Logger } from '../../lib/log.ts'
import { pause } from '../../lib/time.ts'

/** Queued leases that one process takes at most while none of its runs waits. */
const leaseBudget = 16
/**
 * Leases taken beyond the budget at a time while at least half of the slots are free: leases with few or sleeping runs
 * must not leave slots unused. In the pauses the runs just taken begin, and other processes get their share.
 */
const spareLeases = 4
const spareEveryMs = 20
/** Leases asked for in one poll: of what arrives at once, other notified processes get their share as well. */
const leasesAtOnce = 3

interface QueuePollDeps {
  /** Queues of this process: see `queuesFor`. */
  queues: readonly string[]
  /** Takes at most that many leases from the queues, from the first one first. Returns their number. */
  take(queues: readonly string[], most: number): Promise<number>
  /** Puts leases in order that nobody works on. */
  tidy(): Promise<void>
  /** Leases of this process that are not waiting for anything. */
  busy(): number
  /** Whether at least half of the slots are free. */
  isIdle(): boolean
  stopping: AbortSignal
  log: Logger
}

/** Takes queued leases within the budget of this process. Only one statement that takes or tidies is under way. */
export interface QueuePoll {
  /** Polls the queue. A call during a poll leads to another one. */
  wake(): void
  /** Polls if the last poll found something, or there was no room for one: more may be waiting. */
  wakeForBacklog(): void
  /** Tidies, then polls. */
  tidy(): void
  /** Resolves when nothing is under way. */
  idle(): Promise<void>
}

export const makeQueuePoll = (deps: QueuePollDeps): QueuePoll => {
  const { queues, take, tidy, busy, isIdle, stopping, log } = deps
  let working: Promise<void> | undefined
  let isWanted = false
  let isUntidy = false
  let hasBacklog = false
  let first = 0

  const takeQueued = async (budget: number): Promise<number> => {
    let taken = 0
    while (taken < budget && !stopping.aborted) {
      const most = Math.min(budget - taken, leasesAtOnce)
      first = (first + 1) % queues.length // queues take turns, so that a full one does not hide the others
      const got = await take([...queues.slice(first), ...queues.slice(0, first)], most)
      taken += got
      if (got < most) break
    }
    return taken
  }

  const tidyUp = async (): Promise<void> => {
    try {
      isUntidy = false
      await tidy()
    } catch (error) {
      isUntidy = true
      log.debug({ err: error }, 'leases not put in order')
    }
  }

  const work = async (): Promise<void> => {
    while (isWanted && !stopping.aborted) {
      isWanted = false
      if (isUntidy) await tidyUp()
      try {
        const idle = isIdle()
        const budget = Math.max(leaseBudget - busy(), idle ? spareLeases : 0)
        const taken = await takeQueued(budget)
        hasBacklog = budget <= 0 || taken > 0
        if (taken >= budget && idle) isWanted = await pause(spareEveryMs, stopping) // there may be more
      } catch (error) {
        isUntidy = true // it may have taken leases without hearing of it
        log.debug({ err: error }, 'queue poll failed')
      }
    }
    working = undefined // in the turn that found no news: whoever wakes it from now on begins another poll
  }

  const wake = (): void => {
    if (stopping.aborted) return
    isWanted = true
    working ??= work()
  }

  return {
    wake,
    wakeForBacklog() {
      if (hasBacklog) wake()
    },
    tidy() {
      isUntidy = true
      wake()
    },
    async idle() {
      await working
    },
  }
}
