import type { Logger } from '../../lib/log.ts'
import type { Slots } from '../../lib/slots.ts'
import { pause } from '../../lib/time.ts'
import type { Queries } from '../../store/database/database.ts'
import type { Journal } from '../journal/journal.ts'
import { releaseLeases } from '../leases/lease-queue.ts'
import type { Leases } from '../leases/leases.ts'
import type { QueuePoll } from '../leases/queue-poll.ts'
import { interruptAll, type RunsUnderLease } from '../leases/run-under-lease.ts'

interface DrainDeps {
  executor: string
  database: Queries
  journal: Pick<Journal, 'idle'>
  queue: Pick<QueuePoll, 'idle'>
  leases: Leases
  live: RunsUnderLease
  slots: Slots
  log: Logger
}

/** Extra time to record interrupted steps. */
const recordMs = 1_000
/** A request that was under way may still have opened a lease. */
const mostRounds = 20

/**
 * Lets running steps go on for `seconds`, then interrupts them. With `isWorker` it puts the leases back on the queue,
 * where the next start or a peer finds them. Call it once no new work begins.
 */
export const drain = async (deps: DrainDeps, seconds: number, isWorker: boolean): Promise<void> => {
  const { slots, live, leases, log } = deps
  const deadline = performance.now() + seconds * 1000
  while (slots.used > 0 && performance.now() < deadline) await pause(20)
  for (const run of live.values()) interruptAll(run)
  while (live.size > 0 && performance.now() < deadline + recordMs) await pause(5)
  await before(deadline + recordMs, Promise.all([deps.journal.idle(), deps.queue.idle()]))
  if (!isWorker) return
  for (let round = 0; round < mostRounds; round++) {
    if ((await releaseLeases(deps.database, deps.executor).catch(() => 0)) === 0) break
  }
  log.debug({ leases: leases.local.size }, 'leases handed over')
}

/**
 * Waits for work until a time. During an outage of Postgres it does not finish, and the next owner of the runs
 * continues.
 */
const before = async (deadlineMs: number, work: Promise<unknown>): Promise<void> => {
  const over = new AbortController()
  const late = pause(Math.max(0, deadlineMs - performance.now()), over.signal)
  await Promise.race([work, late])
  over.abort()
}
