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
  /** Takes at most that many queued leases. Returns their number. */
  poll(most: number): Promise<number>
  /** Leases of this process that are not waiting for anything. */
  busy(): number
  /** Whether at least half of the slots are free. */
  isIdle(): boolean
  stopping: AbortSignal
  log: Logger
}

export interface QueuePoll {
  /** Polls the queue, one poll at a time. A call during a poll leads to another one. */
  wake(): void
  /** Polls if the last poll found something, or there was no room for one: more may be waiting. */
  wakeForBacklog(): void
}

/** Polls for queued leases within the budget of this process. */
export const makeQueuePoll = ({ poll, busy, isIdle, stopping, log }: QueuePollDeps): QueuePoll => {
  let polling = false
  let news = false
  let backlog = false

  const takeQueued = async (budget: number): Promise<number> => {
    let taken = 0
    while (taken < budget) {
      const asked = Math.min(budget - taken, leasesAtOnce)
      const got = await poll(asked)
      taken += got
      if (got < asked) break
    }
    return taken
  }

  const keepPolling = async (): Promise<void> => {
    try {
      while (news && !stopping.aborted) {
        news = false
        const idle = isIdle()
        const budget = Math.max(leaseBudget - busy(), idle ? spareLeases : 0)
        const taken = await takeQueued(budget)
        backlog = budget <= 0 || taken > 0
        if (taken >= budget && idle) news = await pause(spareEveryMs, stopping) // there may be more
      }
    } catch (error) {
      log.debug({ err: error }, 'queue poll failed')
    } finally {
      polling = false // in the turn that found no news: whoever wakes it from now on begins another poll
    }
  }

  const wake = (): void => {
    if (stopping.aborted) return
    news = true
    if (polling) return
    polling = true
    void keepPolling()
  }

  return {
    wake,
    wakeForBacklog() {
      if (backlog) wake()
    },
  }
}
