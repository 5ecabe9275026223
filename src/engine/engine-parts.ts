import { createHash } from 'node:crypto'
import { oneAtATime } from '../lib/at-a-time.ts'
import type { Logger } from '../lib/log.ts'
import { makeSlots, withSpare } from '../lib/slots.ts'
import { pause } from '../lib/time.ts'
import type { WorkerQueue } from '../model/workers/worker-queue.ts'
import { type Database, patient, type Queries } from '../store/database/database.ts'
import { listen } from '../store/database/own-connection.ts'
import { query, text } from '../store/database/table.ts'
import { makeResultFinder } from '../store/runs/step-results.ts'
import { journalShard, recordShard } from '../store/runs/totals.ts'
import { runSecretsSeal, webhookSecretSeal } from '../store/secrets/sealed-texts.ts'
import { dueNeeds, type FreedWorker, type JobNeeds } from '../store/workers/jobs.ts'
import type { DrainedWorker } from '../store/workers/workers.ts'
import type { EngineOptions } from './engine-options.ts'
import { makeEnvironments, scrubberOf } from './environment/environments.ts'
import { type RunSecrets, readRunSecrets, runSecretsText } from './environment/run-secrets.ts'
import { makeFanOuts } from './fan-out/fan-out.ts'
import { taskInputs } from './fan-out/fan-out-child.ts'
import { openJournal } from './journal/journal.ts'
import { makeStoredResults } from './journal/stored-results.ts'
import { makeTransfers } from './journal/transfers.ts'
import { makeUnwrittenRuns } from './journal/unwritten-runs.ts'
import { makeEndBelow } from './leases/end-below.ts'
import { makeEndRequests } from './leases/end-requests.ts'
import { makeHeartbeat } from './leases/heartbeat.ts'
import { dropEndedLeases, queuesFor, tidyLeases } from './leases/lease-queue.ts'
import { type LeaseDeps, makeLeases, tryWakeAllDue } from './leases/leases.ts'
import { makeQueuePoll } from './leases/queue-poll.ts'
import { makeSuspectGates } from './leases/suspects.ts'
import { shownDefinition } from './program/programs.ts'
import { openRecordLane } from './records/record-lane.ts'
import type { RunbooksHere } from './runbooks/runbook-clock.ts'
import { makeCarryOutFor, makeRunScriptFor } from './runbooks/sandbox-hosts.ts'
import type { LiveRun } from './runs/live-run.ts'
import { makePositionReader } from './runs/run-position.ts'
import { makeTakeover, type Takeover } from './runs/takeover.ts'
import { enqueueCarrying, makeEnqueue } from './start/enqueue.ts'
import { makeStarts, type Starts } from './start/starts.ts'
import { makeCollectFor } from './steps/economy.ts'
import { makeModelRules } from './steps/model-rules.ts'
import { makeRunLabels, type StepDeps } from './steps/step-at-work.ts'
import { makeWatches } from './waits/answer.ts'
import { makeWaits } from './waits/waits.ts'
import type { JobSealer } from './workers/job-result.ts'
import { makeAskWorkers, makeFindOffered } from './workers/step-jobs.ts'
import { makeWaitingPolls } from './workers/waiting-polls.ts'
import { type JobPollLimits, makeExpiry, makeJobPoll, makeJobReports } from './workers/worker-jobs.ts'

/** Notifies watchers of a run when this process has written for it. */
interface RunWatchers {
  /** Returns the function that stops the watch. */
  watch(runKey: string, onChange: () => void): () => void
  changed(runKey: string): void
}

const makeRunWatchers = (): RunWatchers => {
  const watchers = new Map<string, Set<() => void>>()
  return {
    changed(runKey) {
      for (const tell of watchers.get(runKey) ?? []) tell()
    },
    watch(runKey, onChange) {
      const set = watchers.get(runKey) ?? new Set()
      watchers.set(runKey, set.add(onChange))
      return () => {
        set.delete(onChange)
        if (set.size === 0) watchers.delete(runKey)
      }
    },
  }
}

/** Waits for the ends of runs. Local ends are reported at once; others are polled, all in one query. */
interface Waiters {
  /** True when the run ended, false when the signal fired first. */
  wait(runKey: string, signal: AbortSignal): Promise<boolean>
  ended(runKey: string): void
}

const shortestPauseMs = 20
const longestPauseMs = 250

const endedRuns = query(
  'ended_runs',
  { id: text },
  'select id from runs where id = any($1::text[]) and ended_at is not null',
  (runKeys: string[]) => [runKeys],
)

const makeWaiters = (database: Queries, isLocal: (runKey: string) => boolean): Waiters => {
  const waiting = new Map<string, Set<() => void>>()
  let asking = false

  const ended = (runKey: string) => {
    const waiters = waiting.get(runKey)
    if (!waiters) return
    waiting.delete(runKey)
    for (const tell of waiters) tell()
  }

  /** Polls adaptively: often while ends are found, rarely while nothing happens. */
  const ask = async (): Promise<void> => {
    if (asking) return
    asking = true
    let wait = 0
    while (waiting.size > 0) {
      await pause(wait)
      const elsewhere = [...waiting.keys()].filter((key) => !isLocal(key))
      const rows = elsewhere.length === 0 ? [] : await endedRuns(database, elsewhere).catch(() => [])
      for (const row of rows) ended(row.id)
      wait = rows.length > 0 ? shortestPauseMs : Math.min(longestPauseMs, Math.max(shortestPauseMs, wait * 1.3))
    }
    asking = false
  }

  return {
    ended,
    wait(runKey, signal) {
      return new Promise((resolve) => {
        if (signal.aborted) return resolve(false)
        const tell = () => {
          signal.removeEventListener('abort', stop)
          resolve(true)
        }
        const stop = () => {
          const waiters = waiting.get(runKey)
          waiters?.delete(tell)
          if (waiters?.size === 0) waiting.delete(runKey)
          resolve(false)
        }
        signal.addEventListener('abort', stop, { once: true })
        const waiters = waiting.get(runKey)
        if (waiters) waiters.add(tell)
        else waiting.set(runKey, new Set([tell]))
        void ask()
      })
    },
  }
}

interface WorkerQueueDeps {
  database: Database
  sealer: JobSealer
  limits: JobPollLimits & { maxOutputBytes: number }
  scrubberOf(runKey: string): Promise<(text: string) => string>
  stopping: AbortSignal
  log: Logger
}

/** Interval of looking for jobs whose notification was lost, or that were not due before. */
const lookEveryMs = 1_000

/** Makes the queue of jobs as workers see it. It listens to the database from the first poll on. */
const makeWorkerQueue = (deps: WorkerQueueDeps): WorkerQueue => {
  const { database, sealer, limits, stopping, log } = deps
  const waiting = makeWaitingPolls()
  stopping.addEventListener('abort', waiting.endAll, { once: true })

  const look = oneAtATime(async () => {
    if (waiting.size === 0) return
    for (const job of await dueNeeds(database, waiting.activities()).catch(() => [])) waiting.tell(job)
  })
  let listens = false
  const begin = () => {
    if (listens) return
    listens = true
    const hear = (payload: string) => {
      if (payload === '') return waiting.tellAll()
      const told = JSON.parse(payload) as JobNeeds | DrainedWorker | FreedWorker
      if ('freed' in told) return waiting.freed(told.freed)
      return 'drained' in told ? waiting.end(told.drained) : waiting.tell(told)
    }
    void listen(database, { jobs: hear }, stopping)
    const timer = setInterval(look, lookEveryMs)
    stopping.addEventListener('abort', () => clearInterval(timer), { once: true })
  }
  return {
    poll: makeJobPoll({ database, sealer, limits, waiting, listen: begin }),
    endPolls: waiting.endAll,
    ...makeJobReports({
      database,
      sealer,
      limits,
      scrubberOf: deps.scrubberOf,
      wakeParked: () => void tryWakeAllDue(database, log),
    }),
  }
}

/** Runs in memory above which new ones are queued, for another process or for later. */
const mostLive = 20_000

/** Opens the engine's readers and writers. */
export const openStorage = (options: EngineOptions, stopping: AbortSignal) => {
  const { database: raw, executor, limits, log } = options
  const digest = createHash('sha256').update(executor).digest().readUInt8(0)
  const shard = journalShard(digest)
  const database = patient(options.bulk, stopping)
  const { url, noteTime, noteFault } = raw
  const watchers = makeRunWatchers()
  let noteRecord = () => {}
  const firstRecord = new Promise<void>((resolve) => {
    noteRecord = resolve
  })
  const onCommit = (runKey: string) => {
    watchers.changed(runKey)
    noteRecord()
  }
  const rules = makeModelRules(database)
  const secrets = {
    open: (sealed: string, runKey: string) => readRunSecrets(options.sealer.open(sealed, runSecretsSeal(runKey))),
    seal(given: RunSecrets, runKey: string) {
      const text = runSecretsText(given)
      return text === null ? null : options.sealer.seal(text, runSecretsSeal(runKey))
    },
  }
  return {
    stopping,
    shard,
    /** Queries of runs, which wait while Postgres is away. */
    database,
    urgent: patient(options.urgent, stopping),
    watchers,
    /** Resolves when this process has written for a run. */
    firstRecord,
    journal: openJournal({ url, shard, onCommit, noteTime, noteFault, onFailing: options.watch.journalFails }),
    records: openRecordLane({ database: raw, shard: recordShard(digest), calls: options.calls, log }),
    transfer: makeTransfers(),
    programs: options.programs.readThrough(database),
    environments: makeEnvironments(options),
    secrets,
    shownDefinition: (hash: string, scrub: (text: string) => string) => shownDefinition(database, hash, scrub),
    rules,
    live: new Map<string, LiveRun>(),
    slots: makeSlots(withSpare(limits.concurrency)),
  }
}

export type Storage = ReturnType<typeof openStorage>

/** Makes the leases of this process, and the functions that end their runs. */
export const makeLeasing = (
  options: EngineOptions,
  { database, urgent, live, slots, stopping }: Storage,
  upwards: Pick<LeaseDeps, 'onReleased' | 'onEnded'> & { take: Takeover['take'] },
) => {
  const { executor, labels, log } = options
  const leases = makeLeases({ ...upwards, executor, database, onSettled: () => queue.wakeForBacklog() })
  let lookedAt = ''
  const queue = makeQueuePoll({
    queues: queuesFor(labels),
    take: upwards.take,
    async tidy() {
      let tidied: Awaited<ReturnType<typeof tidyLeases>>
      do {
        tidied = await tidyLeases(database, executor, [...leases.local.keys()])
        if (tidied.queued > 0) log.warn({ leases: tidied.queued }, 'leases that nobody worked on are handed out again')
      } while (tidied.more && !stopping.aborted)
      if (tidied.others) lookedAt = await dropEndedLeases(database, lookedAt)
    },
    busy: leases.busy,
    isIdle: () => slots.used * 2 < options.limits.concurrency && live.size < mostLive,
    stopping,
    log,
  })
  const endRequests = makeEndRequests({ urgent, urgentRequests: options.urgent, live, log })
  return {
    leases,
    queue,
    endRequests,
    endBelow: makeEndBelow({ database, urgent, deliver: endRequests.deliver, stopping }),
    heartbeat: makeHeartbeat({ executor, labels, database, urgent, stopping, log }),
  }
}

export type Leasing = ReturnType<typeof makeLeasing>

/** Makes the parts that execute runs and their steps. */
export const makeRunning = (options: EngineOptions, storage: Storage, leasing: Leasing) => {
  const { database, environments, journal, live, rules, stopping } = storage
  const { carryOutRunbook, limits, log, models, objects, quota, runScript, sealer, traceSampler } = options
  const { leases, endRequests, endBelow, heartbeat } = leasing
  const { confirm: confirmLease } = heartbeat
  const runbooks: RunbooksHere = { underWay: new Set(), ended: {} }
  const waiters = makeWaiters(database, (runKey) => live.has(runKey))
  const watches = makeWatches(database)
  const { secrets } = storage
  const unwritten = makeUnwrittenRuns(journal)
  const fanOuts = makeFanOuts({
    ...options,
    ...storage,
    endBelow,
    deliver: endRequests.deliver,
    openSecrets: secrets.open,
    sealSecrets: secrets.seal,
    onWaiting: leases.idle,
    here: { journal, environments, unwritten, quota, runs: () => unwrittenRuns },
  })
  const steps: StepDeps = {
    ...options,
    ...storage,
    ...makeWaits({ stopping, database, journal, watches, waitForRuns: fanOuts.waitForRuns }),
    collectFor: makeCollectFor({ database, sealer, limits }),
    askWorkers: makeAskWorkers({
      ...{ database, rules, sealer, limits, traceSampler, findOffered: makeFindOffered(database) },
    }),
    taskInputs: (run, task) => taskInputs(storage, run, task),
    labels: makeRunLabels(options.database, limits.maxLabelsPerRun),
    suspects: makeSuspectGates(),
    confirmLease,
    endAllBelow: endBelow.all,
    results: makeStoredResults(database),
    findResult: makeResultFinder(database, options.stepResults),
    onEnd: waiters.ended,
    carryOutFor: makeCarryOutFor({
      ...{ stopping, database, journal, rules, confirmLease },
      ...{ objects, models, carryOutRunbook, limits, runbooks, traceSampler },
    }),
    runScriptFor: makeRunScriptFor({
      ...{ database, journal, rules, objects, runScript, limits, confirmLease, traceSampler },
    }),
  }
  const runs = { ...options, ...storage, steps, endAllBelow: endBelow.all, onEnd: waiters.ended, stopping }
  // Those have no row that could wait. They are short.
  const unwrittenSteps = { ...steps, journal: unwritten.journal }
  const unwrittenRuns = { ...runs, journal: unwritten.journal, steps: unwrittenSteps, pauses: { has: () => false } }
  const positionRecords = makePositionReader(database)
  const takeover = makeTakeover({
    ...runs,
    impatient: options.bulk,
    leases,
    positionRecords,
    onRequest: endRequests.onRequest,
  })
  const wakeParked = () => void tryWakeAllDue(database, log)
  const expireJobs = makeExpiry({ watch: options.watch, sealer, limits, database, wakeParked })
  return { runs, takeover, fanOuts, watches, expireJobs, waiters, runbooks }
}

export type Running = ReturnType<typeof makeRunning>

/** Makes the queue of jobs that workers of other programs take. */
export const makeWorkers = ({ database, sealer, limits, log }: EngineOptions, storage: Storage) =>
  makeWorkerQueue({
    ...{ database, sealer, limits, log, stopping: storage.stopping },
    scrubberOf: (runKey) => scrubberOf({ ...storage, database }, runKey),
  })

/** Makes what starts runs. */
export const makeStarting = (
  options: EngineOptions,
  storage: Storage,
  { leases }: Leasing,
  { runs }: Running,
): Starts => {
  const { database: requestDatabase, role, sealer } = options
  const { shard, secrets, slots, live, stopping } = storage
  return makeStarts({
    ...options,
    ...storage,
    requestDatabase,
    runs,
    leases,
    enqueue: makeEnqueue(requestDatabase, shard),
    enqueueCarrying: (queued, carry) => enqueueCarrying(requestDatabase, shard, queued, carry),
    /**
     * A collection without waiting work here may always start: it gets the next slot even if others fill this process.
     */
    hasRoom(owner) {
      if (role === 'api' || stopping.aborted) return false
      if (slots.isFree(owner) && live.size < mostLive) return true
      return !slots.isWaiting(owner) && live.size < 2 * mostLive
    },
    sealSecrets: secrets.seal,
    sealWebhook: (webhook, runKey) => sealer.seal(JSON.stringify(webhook), webhookSecretSeal(runKey)),
    underWay: new Set(),
  })
}
