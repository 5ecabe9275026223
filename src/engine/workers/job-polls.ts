import { LRUCache } from 'lru-cache'
import { batched } from '../../lib/batch.ts'
import { timestamp } from '../../lib/time.ts'
import type { WorkerJob } from '../../model/workers/worker-job.ts'
import type { AskedJobs, PollingWorker, WorkerQueue } from '../../model/workers/worker-queue.ts'
import type { Queries } from '../../store/database/database.ts'
import type { JobNeeds } from '../../store/workers/jobs.ts'
import type { HandedJob } from '../../store/workers/leased-jobs.ts'
import { claimJobs, hasEnoughOf, jobsLostOnTheWay, takeJobsBack } from '../../store/workers/leased-jobs.ts'
import { offersOf } from '../../store/workers/workers.ts'
import { type JobSealer, sealOfJob } from './job-result.ts'
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
    run: { collection, task, trajectory_id: job.trajectory_id, step: job.step },
    deadline: timestamp(job.deadline_at),
    lease_expires_at: timestamp(job.lease_expires_at),
  }
}
