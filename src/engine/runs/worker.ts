import type { Database } from '../../database/database.ts'
import { listen } from '../../database/listen.ts'
import type { Logger } from '../../lib/log.ts'
import { oneAtATime } from '../../lib/one-at-a-time.ts'
import { pause } from '../../lib/time.ts'
import { renewAllLeases } from '../../store/workers/expired-jobs.ts'
import { sweepWorkers } from '../../store/workers/old-workers.ts'
import { type Dispatcher, handOver, launchDispatcher, pruneLeases } from '../leases/dbos.ts'
import { beatMs, type Heartbeat } from '../leases/heartbeat.ts'
import type { Leases } from '../leases/leases.ts'
import { wakeAllDue, wakeOrphans } from '../leases/parked-runs.ts'
import type { QueuePoll } from '../leases/queue-poll.ts'
import type { Takeover } from './takeover.ts'

/** Interval of looking for requests whose notification was lost. */
const fallbackPollMs = 1_000
const pruneEveryMs = 10_000
/** A lease is so much longer that a look each second would find nothing sooner that matters. */
const expireEveryMs = 5_000
/** How long the first of the runs taken back may take until it is recorded, before the load of the engine's library blocks all. */
const longestHeadStartMs = 100
/** Leases that one statement prunes. */
const prunedAtOnce = 500

interface WorkerDeps {
  database: Database
  /** Maximum connections of the dispatcher. */
  dispatcherConnections: number
  /** `leaseSeconds`: lease of a job of another program. */
  limits: { leaseSeconds: number }
  /** `local`: only this process uses the database, and takes its own runs back at once. */
  executor: string
  /** Placements that this process satisfies: see `placementsWithin`. */
  placements: readonly string[]
  /** Interval of the heartbeat in milliseconds; the tests beat more often. */
  beatMs?: number | undefined
  heartbeat: Heartbeat
  leases: Leases
  takeover: Takeover
  queue: QueuePoll
  /** Called with the dispatcher as soon as it is launched, before the first lease is polled. */
  onDispatcher(dispatcher: Dispatcher): void
  /** Resolves when this process has written for a run. */
  firstRecord: Promise<void>
  /** Collects requests to end runs. */
  collectRequests(): Promise<void>
  /** Takes a notification of a settled job of a worker. */
  onSettledJob(place: string): void
  /** Called when a process may have changed keys, collections or tasks. */
  onAccessChange(isListening: boolean): void
  /** Looks for settled jobs: notifications may have been lost. */
  lookForJobs(): Promise<void>
  /** Looks for jobs whose worker was lost, or whose time is over. */
  expireJobs(): Promise<void>
  /** Something may have changed in the database that steps wait for. */
  onNews(): void
  stopping: AbortSignal
  log: Logger
}

/** Makes this process a worker: it beats, takes leases, and listens for work. Returns the function that stops its timers. */
export const startWorker = async (deps: WorkerDeps): Promise<() => void> => {
  const { executor, heartbeat, queue, takeover, stopping } = deps
  await heartbeat.beat()
  if (executor === 'local') {
    await handOver(deps.database, executor, true, deps.placements) // this process may have lost labels since
    const taken = await takeover.takeOwn()
    if (taken > 0) await Promise.race([deps.firstRecord, pause(longestHeadStartMs, stopping)])
  }
  deps.onDispatcher(await launch(deps))
  const stopBeating = keepBeating(deps)
  const onRequests = oneAtATime(deps.collectRequests)
  const channels = {
    ...{ runs: queue.wake, requests: onRequests, decisions: deps.onNews, settled_jobs: deps.onSettledJob },
    access: () => deps.onAccessChange(true),
  }
  void listen(deps.database, channels, stopping, () => deps.onAccessChange(false))
  await renewAllLeases(deps.database, deps.limits.leaseSeconds)
  const timers = [
    every(deps, fallbackPollMs, async () => {
      onRequests()
      deps.onNews()
    }),
    every(deps, fallbackPollMs, deps.lookForJobs),
    every(deps, expireEveryMs, deps.expireJobs),
    every(deps, pruneEveryMs, () => prune(deps)),
  ]
  return () => {
    for (const timer of timers) clearInterval(timer)
    stopBeating()
  }
}

const launch = ({
  database,
  dispatcherConnections,
  executor,
  placements,
  leases,
  takeover,
  stopping,
  log,
}: WorkerDeps) =>
  launchDispatcher({
    database,
    connections: dispatcherConnections,
    executor,
    placements,
    log,
    onLease: async (leaseId) => {
      if (stopping.aborted) return new Promise(() => {})
      const lease = leases.local.get(leaseId) ?? (await takeover.take(leaseId))
      await lease.finished
    },
  })

const keepBeating = ({ heartbeat, leases, queue, database, log, ...deps }: WorkerDeps): (() => void) =>
  heartbeat.keepBeating({
    everyMs: deps.beatMs ?? beatMs,
    findLost: () => leases.findLost(),
    onSights({ queued, due }) {
      if (queued) queue.wake()
      if (due) void wakeAllDue(database).catch((error) => log.debug({ err: error }, 'parked runs not woken'))
    },
  })

const prune = async ({ database, stopping }: WorkerDeps): Promise<void> => {
  while ((await pruneLeases(database)) === prunedAtOnce && !stopping.aborted) await pause(100, stopping)
  await wakeOrphans(database)
  await sweepWorkers(database)
}

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
