import { LRUCache } from 'lru-cache'
import { backoffMs } from '../../lib/backoff.ts'
import { batched } from '../../lib/batch.ts'
import { AppError } from '../../lib/errors.ts'
import { byteSize } from '../../lib/settings/byte-size.ts'
import { traceHeaders } from '../../lib/text/trace-context.ts'
import { now, timestamp } from '../../lib/time.ts'
import type { StepLog } from '../../model/runs/step.ts'
import type { OfferedActivity } from '../../model/workers/worker.ts'
import type { JobLogLine, WorkerJob } from '../../model/workers/worker-job.ts'
import type { AskedJobs, JobCall, PollingWorker, WorkerQueue } from '../../model/workers/worker-queue.ts'
import type { Queries } from '../../store/database/database.ts'
import type { DatabaseWatch } from '../../store/database/watch.ts'
import {
  type ExpiredJob,
  expiredJobs,
  type JobNeeds,
  renewAllLeases,
  requeueLostJob,
  withdrawJob,
} from '../../store/workers/jobs.ts'
import {
  claimJobs,
  findLeasedJob,
  type HandedJob,
  hasEnoughOf,
  jobsLostOnTheWay,
  type LeasedJob,
  renewJob,
  settleJob,
  takeJobsBack,
} from '../../store/workers/leased-jobs.ts'
import { offersOf } from '../../store/workers/workers.ts'
import { type JobResult, type JobSealer, sealOfJob, stateOf, storedResult } from './job-result.ts'
import { violationOf } from './step-jobs.ts'
import type { WaitingPoll, WaitingPolls } from './waiting-polls.ts'

interface JobPollDeps {
  database: Queries
  sealer: JobSealer
  limits: JobPollLimits
  waiting: WaitingPolls
  /** Begins to listen for queued jobs, with the first poll. */
  listen(): void
}

export interface JobPollLimits {
  leaseSeconds: number
  /** Time limit of a job for which neither its step nor its activity has one. */
  stepTimeoutSeconds: number
  /** Largest parameters of a job, as JSON. */
  jobParametersBytes: number
}

/** Parameters in one answer, in multiples of the largest of one job: the server has all of them in memory. */
const largestInAnswer = 4

export const makeJobPoll = (deps: JobPollDeps): WorkerQueue['poll'] => {
  const { database, limits, waiting } = deps
  const latest = new Map<string, Bell>()
  const offersOfWorker = makeOffers(database)
  // One claim at a time, so that the workers of a process do not lock jobs from each other.
  const claim = batched(async ([first]: { worker: PollingWorker; most: number }[]): Promise<HandedJob[][]> => {
    if (!first) return []
    const { worker, most } = first
    return [await claimJobs(database, { ...claimOf(worker, limits), most, timeoutSeconds: limits.stepTimeoutSeconds })]
  }, 1)

  const look = async (poll: WaitingPoll, worker: PollingWorker, most: number): Promise<HandedJob[]> => {
    const told = poll.news
    poll.news = []
    const newsAt = waiting.news
    const jobs = await claim({ worker, most })
    // It has no room for what it was told of besides: another worker may have.
    if (jobs.length >= most) poll.news.push(...told)
    else await passOn(poll, told, jobs)
    waiting.noteQuiet(worker.id, jobs.length === 0 ? newsAt : undefined)
    return jobs
  }

  /** Tells other workers of jobs that this one cannot take: it has as many of their activity as it takes. */
  const passOn = async (poll: WaitingPoll, told: JobNeeds[], jobs: HandedJob[]): Promise<void> => {
    for (const job of told) {
      const { activity } = job
      if (!poll.offers.get(activity)?.isLimited || jobs.some((one) => one.activity === activity)) continue
      if (!(await hasEnoughOf(database, poll.workerId, activity))) continue
      poll.full.add(activity)
      waiting.tell(job)
    }
  }

  const waitFor = async (worker: PollingWorker, asked: AskedJobs, bell: Bell): Promise<HandedJob[]> => {
    const collectionIds = worker.collectionIds === null ? null : new Set(worker.collectionIds)
    const offers = await offersOfWorker(worker.id)
    const ability = { workerId: worker.id, labels: new Set(worker.labels), collectionIds, offers }
    const poll: WaitingPoll = { ...ability, full: new Set(), news: [], ring: bell.ring, end: bell.end }
    const timer = setTimeout(bell.end, asked.waitMs)
    waiting.add(poll)
    try {
      let isQuiet = waiting.isQuiet(poll)
      while (!bell.isOver) {
        const jobs = isQuiet ? [] : await look(poll, worker, asked.free)
        if (jobs.length > 0) return jobs
        isQuiet = false
        await bell.rung()
      }
      return []
    } finally {
      clearTimeout(timer)
      waiting.remove(poll)
      for (const job of poll.news) waiting.tell(job)
    }
  }

  return async (worker, asked, signal) => {
    deps.listen()
    latest.get(worker.id)?.end()
    const bell = makeBell()
    latest.set(worker.id, bell)
    signal.addEventListener('abort', bell.end)
    if (signal.aborted) bell.end()
    try {
      const lost = await lostOf(database, worker, asked, limits)
      const jobs = lost.length > 0 ? lost : await waitFor(worker, asked, bell)
      const isRead = !signal.aborted && latest.get(worker.id) === bell
      if (jobs.length > 0 && jobs !== lost && !isRead) {
        await takeJobsBack(database, worker.id, jobs)
        return []
      }
      return jobs.map((job) => handedJob(deps.sealer, job))
    } finally {
      signal.removeEventListener('abort', bell.end)
      if (latest.get(worker.id) === bell) latest.delete(worker.id)
    }
  }
}

const mostOffers = 200_000

/** What a worker offers never changes after its registration. */
const makeOffers = (database: Queries): ((workerId: string) => Promise<WaitingPoll['offers']>) => {
  const known = new LRUCache<string, WaitingPoll['offers']>({
    maxSize: mostOffers,
    sizeCalculation: (offers) => offers.size + 1,
  })
  return async (workerId) => {
    const kept = known.get(workerId)
    if (kept) return kept
    const rows = await offersOf(database, workerId)
    const offers = new Map(
      rows.map(({ name, version, concurrency }) => [name, { version, isLimited: concurrency !== null }]),
    )
    known.set(workerId, offers)
    return offers
  }
}

/** Jobs that the worker was given in an answer that it did not get. */
const lostOf = async (
  database: Queries,
  worker: PollingWorker,
  { holding }: AskedJobs,
  limits: JobPollLimits,
): Promise<HandedJob[]> =>
  holding && worker.jobs > 0 ? jobsLostOnTheWay(database, holding, claimOf(worker, limits)) : []

const claimOf = ({ id: workerId, collectionIds }: PollingWorker, limits: JobPollLimits) => ({
  workerId,
  collectionIds,
  leaseSeconds: limits.leaseSeconds,
  mostBytes: largestInAnswer * limits.jobParametersBytes,
})

/** Wakes a poll that waits. A ring before it waits is not lost. */
interface Bell {
  ring(): void
  /** Ends the wait for good. */
  end(): void
  rung(): Promise<void>
  readonly isOver: boolean
}

const makeBell = (): Bell => {
  let isRung = false
  let isOver = false
  let wake = () => {}
  const ring = () => {
    isRung = true
    wake()
  }
  return {
    ring,
    end() {
      isOver = true
      ring()
    },
    async rung() {
      if (!isRung)
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      isRung = false
    },
    get isOver() {
      return isOver
    },
  }
}

const handedJob = (sealer: JobSealer, job: HandedJob): WorkerJob => {
  const [collection = '', task = ''] = job.name.split('/')
  const { open } = sealOfJob(sealer, { runKey: job.run_id, seq: job.seq })
  return {
    job_id: job.id,
    epoch: job.epoch,
    attempt: job.attempt,
    activity: job.activity,
    version: job.version,
    parameters: open<Record<string, unknown>>(job.sealed_parameters),
    idempotency_key: `${job.run_id}/${job.seq}`,
    ...traceHeaders(job.trace_context),
    run: { collection, task, trajectory_id: job.trajectory_id, step: job.step },
    deadline: timestamp(job.deadline_at),
    lease_expires_at: timestamp(job.lease_expires_at),
  }
}

interface JobReportDeps {
  database: Queries
  sealer: JobSealer
  limits: { leaseSeconds: number; maxOutputBytes: number }
  /** Makes the function that strikes the secrets of a run out of a text. */
  scrubberOf(runKey: string): Promise<(text: string) => string>
  /** Queues the parked runs that are due. */
  wakeParked(): void
}

/** Lines and characters of a job's log that are kept. */
const mostLines = 200
const mostLogCharacters = 200_000

/** What workers tell of the jobs that they have. */
export const makeJobReports = (deps: JobReportDeps): Omit<WorkerQueue, 'poll' | 'endPolls'> => {
  const { database, limits } = deps

  const settle = async (
    hold: JobCall,
    lines: JobLogLine[],
    resultOf: (job: LeasedJob) => JobResult | Promise<JobResult>,
  ): Promise<'completed' | 'failed'> => {
    const job = await findLeasedJob(database, hold.id)
    if (!job || !isHeld(job, hold)) throw noLonger(hold)
    // Sent again, because its answer was lost: what was recorded stands.
    if (job.state === 'completed' || job.state === 'failed') return job.state
    if (job.cancelled) throw noLonger(hold)
    const result = await resultOf(job)
    const { seal } = sealOfJob(deps.sealer, { runKey: job.run_id, seq: job.seq })
    const logs = await logsWith(deps, job, lines)
    const state = stateOf(result)
    const settled = await settleJob(database, hold, { state, sealedResult: seal(storedResult(result)), logs })
    if (!settled) return settle(hold, lines, resultOf) // the same call overtook it, or another worker has the job
    if (settled.parked) deps.wakeParked()
    return state
  }

  return {
    async heartbeat(hold, { progress = null, message, logs }) {
      const job = await findLeasedJob(database, hold.id)
      if (!job || !isHeld(job, hold)) throw noLonger(hold)
      const shown = message ? (await deps.scrubberOf(job.run_id))(message) : null
      const told = { progress, message: shown, logs: await logsWith(deps, job, logs) }
      if (job.cancelled) await withdrawJob(database, job.run_id, job.seq) // the worker has room for another one
      const leaseExpiresAt = await renewJob(database, hold, told, limits.leaseSeconds)
      if (!leaseExpiresAt) throw noLonger(hold)
      return { cancelled: job.cancelled, leaseExpiresAt }
    },

    async complete(hold, { outputs, logs }) {
      let refused: AppError | undefined
      const state = await settle(hold, logs, async (job) => {
        refused = await refusalOf(job, outputs, limits.maxOutputBytes)
        return refused ? { failure: asFailure(refused) } : { outputs }
      })
      if (refused) throw refused
      return state
    },

    fail: (hold, { error, retryable, retry_after_seconds: seconds, logs }) =>
      settle(hold, logs, () => {
        const after = seconds ? { retryAfterSeconds: seconds } : {}
        return { failure: new AppError('activity_failed', error, { retryable, ...after }) }
      }),
  }
}

const isHeld = (job: LeasedJob, { workerId, epoch, collectionIds }: JobCall): boolean =>
  job.worker_id === workerId &&
  job.epoch === epoch &&
  job.state !== 'queued' &&
  (collectionIds === null || collectionIds.includes(job.collection_id))

/** Unknown, foreign, cancelled and fenced jobs answer alike. */
const noLonger = ({ id, epoch }: JobCall): AppError =>
  new AppError('conflict', `This worker does not have job '${id}' with epoch ${epoch}`, {
    hint: 'Its lease ran out and the job went to another worker, or the step was cancelled. Drop the job: nothing is recorded.',
  })

/** Why outputs cannot be recorded. */
const refusalOf = async (
  { definition, activity }: LeasedJob,
  outputs: unknown,
  maxBytes: number,
): Promise<AppError | undefined> => {
  if (Buffer.byteLength(JSON.stringify(outputs)) > maxBytes) {
    return new AppError('too_large', `The outputs of ${activity} take more than ${byteSize(maxBytes)} as JSON`, {
      hint: 'Save large results as files and return their paths, or raise JETTY_MAX_OUTPUT_BYTES.',
    })
  }
  const schema = definition === null ? undefined : (JSON.parse(definition) as OfferedActivity).outputs
  const violation = schema && (await violationOf(schema, outputs, 'the outputs'))
  if (violation === undefined) return undefined
  const message = `The outputs do not fit the schema of ${activity}: ${violation}`
  return new AppError('invalid', message, {
    hint: 'Correct the worker, or the schema of outputs that it registers.',
    issues: [{ loc: ['body', 'outputs'], msg: message, type: 'outputs' }],
  })
}

const asFailure = ({ code, message, hint }: AppError): AppError =>
  new AppError(code === 'too_large' ? 'output_too_large' : 'activity_failed', message, { ...(hint && { hint }) })

/** The log of a job with new lines, without secrets of its run; null if nothing is new. */
const logsWith = async ({ scrubberOf }: JobReportDeps, job: LeasedJob, lines: JobLogLine[]): Promise<string | null> => {
  if (lines.length === 0) return null
  const at = timestamp(new Date(now()))
  const scrub = await scrubberOf(job.run_id)
  const added = lines.map(({ level, message }): StepLog => {
    return { timestamp: at, level, type: 'worker', message: scrub(message), attributes: {} }
  })
  const all = [...(job.logs === null ? [] : (JSON.parse(job.logs) as StepLog[])), ...added].slice(-mostLines)
  while (all.length > 1 && JSON.stringify(all).length > mostLogCharacters) all.splice(0, Math.ceil(all.length / 10))
  return JSON.stringify(all)
}

interface ExpiryDeps {
  database: Queries
  sealer: JobSealer
  /** Lost workers after which a job fails. */
  limits: { lostWorkers: number; leaseSeconds: number }
  watch: Pick<DatabaseWatch, 'onOutage'>
  wakeParked(): void
}

const lostBackoff = { firstMs: 1_000, longestMs: 60_000 }

/**
 * Makes the look for jobs whose worker was lost, or whose time is over. Each process may look: each job is done once.
 * After an outage of the database the leases begin anew, because no worker could renew its own.
 */
export const makeExpiry = (deps: ExpiryDeps): (() => Promise<void>) => {
  const { database, limits, watch } = deps
  let wasAway = false
  watch.onOutage(() => {
    wasAway = true
  })
  return async () => {
    const expired = await expiredJobs(database)
    if (wasAway) {
      wasAway = false
      await renewAllLeases(database, limits.leaseSeconds)
      return
    }
    for (const job of expired) {
      const failure = failureOf(job, limits.lostWorkers)
      if (failure) await fail(deps, job, failure)
      else await requeueLostJob(database, holdOf(job), { afterSeconds: restAfter(job.deaths), logs: logsAfter(job) })
    }
  }
}

/** Seconds. The first loss may have been bad luck; after more the job rests, in case it is what kills its workers. */
const restAfter = (deaths: number): number => (deaths === 0 ? 0 : backoffMs(deaths, lostBackoff) / 1000)

const holdOf = ({ id, worker_id: workerId, epoch }: ExpiredJob) => ({ id, workerId, epoch })

const logsAfter = ({ logs, worker, worker_id, epoch }: ExpiredJob): string => {
  const line: StepLog = {
    timestamp: timestamp(new Date(now())),
    level: 'warning',
    type: 'worker',
    message: `Worker '${worker ?? worker_id}' was lost: the job goes to another one`,
    attributes: { worker_id, epoch },
  }
  return JSON.stringify([...(logs === null ? [] : (JSON.parse(logs) as StepLog[])), line])
}

const failureOf = (job: ExpiredJob, most: number): AppError | undefined => {
  const worker = `worker '${job.worker ?? job.worker_id}'`
  if (job.is_late) {
    return new AppError('timed_out', `The ${worker} did not complete ${job.activity} within ${job.seconds} s`, {
      hint: 'Raise timeout_sec of the step, or timeout_seconds of the activity.',
    })
  }
  const lost = job.deaths + 1
  if (lost >= most) {
    return new AppError('worker_lost', `${lost} workers were lost while they carried out ${job.activity}`, {
      hint: `Look into the log of the ${worker}. JETTY_WORKER_LOSSES sets how often a job is tried again.`,
    })
  }
  const activity = job.definition === null ? undefined : (JSON.parse(job.definition) as OfferedActivity)
  if (activity?.idempotent !== false) return undefined
  return new AppError('worker_lost', `The ${worker} was lost while it carried out ${job.activity}`, {
    hint: 'The activity is declared as not idempotent, so it is not tried again: it may have had its effect.',
  })
}

const fail = async ({ database, sealer, wakeParked }: ExpiryDeps, job: ExpiredJob, failure: AppError) => {
  const { seal } = sealOfJob(sealer, { runKey: job.run_id, seq: job.seq })
  const sealedResult = seal(storedResult({ failure }))
  const settled = await settleJob(database, holdOf(job), { state: 'failed', sealedResult, logs: null })
  if (settled?.parked) wakeParked()
}
