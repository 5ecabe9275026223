import { oneAtATime } from '../../lib/at-a-time.ts'
import type { Logger } from '../../lib/log.ts'
import type { Slots } from '../../lib/slots.ts'
import { pause } from '../../lib/time.ts'
import type { Pauses } from '../../store/collections/pauses.ts'
import type { Database, Queries } from '../../store/database/database.ts'
import { listen } from '../../store/database/own-connection.ts'
import { renewAllLeases } from '../../store/workers/jobs.ts'
import { sweepWorkers } from '../../store/workers/workers.ts'
import type { Journal } from '../journal/journal.ts'
import { beatMs, type Heartbeat } from '../leases/heartbeat.ts'
import { queuesFor, releaseLeases } from '../leases/lease-queue.ts'
import { type Leases, resumeHeld, tryWakeAllDue, wakeAllDue, wakeOrphans } from '../leases/leases.ts'
import type { QueuePoll } from '../leases/queue-poll.ts'
import { interruptAll, type RunsUnderLease } from '../leases/run-under-lease.ts'
import type { Takeover } from './takeover.ts'

/** Interval of looking for requests whose notification was lost. */
const fallbackPollMs = 1_000
/** Interval of tidying up leases, in heartbeats. */
const tidyEveryBeats = 10
/** How long the first of the runs taken back may take until it is recorded, before the rest of the server is loaded. */
const longestHeadStartMs = 100
/** A lease is so much longer that a look each second would find nothing sooner that matters. */
const expireEveryMs = 5_000

interface WorkerDeps {
  database: Database
  /** `leaseSeconds`: lease of a job of another program. */
  limits: { leaseSeconds: number }
  /** `local`: only this process uses the database, and takes its own runs back at once. */
  executor: string
  /** Labels of this process, which runs can ask for. */
  labels: readonly string[]
  /** Interval of the heartbeat in milliseconds; the tests beat more often. */
  beatMs?: number | undefined
  heartbeat: Heartbeat
  leases: Leases
  takeover: Takeover
  queue: QueuePoll
  /** Resolves when this process has written for a run. */
  firstRecord: Promise<void>
  pauses: Pick<Pauses, 'onResume'>
  /** Collects requests to end runs. */
  collectRequests(): Promise<void>
  /** The steps here that wait for answers: notifications may be lost. */
  watches: { hear(place: string): void; look(): Promise<void> }
  /** Called when a process may have changed keys, collections or tasks. */
  onAccessChange(isListening: boolean): void
  /** Looks for jobs whose worker was lost, or whose time is over. */
  expireJobs(): Promise<void>
  /** Looks for ended child runs. */
  lookForChildren(): void
  stopping: AbortSignal
  log: Logger
}

/** Makes this process a worker: it beats, takes leases, and listens for work. Returns the function that stops its timers. */
export const startWorker = async (deps: WorkerDeps): Promise<() => Promise<void>> => {
  const { database, executor, heartbeat, queue, takeover, stopping } = deps
  await heartbeat.beat()
  if (executor === 'local') {
    await releaseLeases(database, executor, queuesFor(deps.labels)) // this process may have lost labels since
    const taken = await takeover.takeOwn()
    if (taken > 0) await Promise.race([deps.firstRecord, pause(longestHeadStartMs, stopping)])
  }
  const everyMs = deps.beatMs ?? beatMs
  const stopBeating = keepBeating(deps, everyMs)
  const onRequests = oneAtATime(deps.collectRequests)
  const channels = {
    ...{ runs: queue.wake, requests: onRequests, answers: deps.watches.hear },
    access: () => deps.onAccessChange(true),
  }
  void listen(database, channels, stopping, () => deps.onAccessChange(false))
  queue.wake()
  await renewAllLeases(database, deps.limits.leaseSeconds)
  const timers = [
    every(deps, fallbackPollMs, async () => {
      onRequests()
      deps.lookForChildren()
      await deps.watches.look()
    }),
    every(deps, expireEveryMs, deps.expireJobs),
    every(deps, tidyEveryBeats * everyMs, async () => {
      queue.tidy()
      await resumeHeld(database)
      await wakeOrphans(database)
      await sweepWorkers(database)
    }),
  ]
  deps.pauses.onResume(
    () => void resumeAll(database).catch((error) => deps.log.debug({ err: error }, 'held runs not woken')),
  )
  return () => {
    for (const timer of timers) clearInterval(timer)
    return stopBeating()
  }
}

/** Queues the runs of collections that were resumed. */
const resumeAll = async (database: Database): Promise<void> => {
  await resumeHeld(database)
  await wakeAllDue(database)
}

const keepBeating = ({ heartbeat, leases, queue, database, log }: WorkerDeps, everyMs: number): (() => Promise<void>) =>
  heartbeat.keepBeating({
    everyMs,
    findLost: () => leases.findLost(),
    onSights({ queued, due }) {
      if (queued) queue.wake()
      if (due) void tryWakeAllDue(database, log)
    },
  })

/** Repeats background work, never twice at the same time. */
const every = ({ stopping, log }: WorkerDeps, milliseconds: number, work: () => Promise<void>): NodeJS.Timeout => {
  let busy = false
  return setInterval(async () => {
    if (busy || stopping.aborted) return
    busy = true
    await work().catch((error) => log.debug({ err: error }, 'background work failed'))
    busy = false
  }, milliseconds)
}

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
