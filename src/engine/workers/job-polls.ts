import type { Queries } from '../../database/database.ts'
import { batched } from '../../lib/batch.ts'
import { timestamp } from '../../lib/time.ts'
import type { WorkerJob } from '../../model/workers/worker-job.ts'
import type { AskedJobs, PollingWorker, WorkerQueue } from '../../model/workers/worker-queue.ts'
import type { HandedJob } from '../../store/workers/leased-jobs.ts'
import { claimJobs, jobsLostOnTheWay } from '../../store/workers/leased-jobs.ts'
import { offersOf, touchWorkers } from '../../store/workers/workers.ts'
import { type JobSealer, sealOfJob } from './job-result.ts'
import type { WaitingPoll, WaitingPolls } from './waiting-polls.ts'

interface JobPollDeps {
  database: Queries
  sealer: JobSealer
  limits: JobPollLimits
  waiting: WaitingPolls
  /** Begins to listen for queued jobs, with the first poll. */
  listen(): void
  stopping: AbortSignal
}

export interface JobPollLimits {
  leaseSeconds: number
  /** Time limit of a job for which neither its step nor its activity has one. */
  stepTimeoutSeconds: number
}

export const makeJobPoll = (deps: JobPollDeps): WorkerQueue['poll'] => {
  const { database, limits, waiting, stopping } = deps
  const latest = new Map<string, () => void>()
  const touch = batched(async (seen: Parameters<typeof touchWorkers>[1][number][]) => {
    await touchWorkers(database, seen)
    return seen.map(() => undefined)
  })
  // One claim at a time, so that the workers of a process do not lock jobs from each other.
  const claim = batched(async ([first]: { worker: PollingWorker; most: number }[]): Promise<HandedJob[][]> => {
    if (!first) return []
    const { worker, most } = first
    const { leaseSeconds, stepTimeoutSeconds: timeoutSeconds } = limits
    const { id: workerId, collectionIds } = worker
    return [await claimJobs(database, { workerId, most, collectionIds, leaseSeconds, timeoutSeconds })]
  }, 1)

  const look = async (poll: WaitingPoll, worker: PollingWorker, most: number): Promise<HandedJob[]> => {
    const told = poll.news
    poll.news = []
    const jobs = await claim({ worker, most })
    // It has no room for what it was told of besides: another worker may have.
    if (jobs.length >= most) for (const job of [...told, ...poll.news]) waiting.tell(job)
    return jobs
  }

  const waitFor = async (
    worker: PollingWorker,
    { free, waitMs }: AskedJobs,
    signal: AbortSignal,
    bell: Bell,
  ): Promise<HandedJob[]> => {
    const offers = new Map((await offersOf(database, worker.id)).map(({ name, version }) => [name, version]))
    const collectionIds = worker.collectionIds === null ? null : new Set(worker.collectionIds)
    const ability = { workerId: worker.id, labels: new Set(worker.labels), collectionIds, offers }
    const poll: WaitingPoll = { ...ability, news: [], ring: bell.ring, end: bell.end }
    const timer = setTimeout(bell.end, waitMs)
    waiting.add(poll)
    try {
      for (;;) {
        if (bell.isOver || signal.aborted || stopping.aborted) return []
        const jobs = await look(poll, worker, free)
        if (jobs.length > 0) return jobs
        await bell.rung()
      }
    } finally {
      clearTimeout(timer)
      waiting.remove(poll)
      for (const job of poll.news) waiting.tell(job)
    }
  }

  return async (worker, asked, signal) => {
    deps.listen()
    latest.get(worker.id)?.()
    const bell = makeBell()
    latest.set(worker.id, bell.end)
    for (const one of [signal, stopping]) one.addEventListener('abort', bell.end)
    try {
      await touch({ id: worker.id, collectionIds: worker.collectionIds })
      const lost = asked.holding ? await jobsLostOnTheWay(database, worker.id, asked.holding, limits.leaseSeconds) : []
      const jobs = lost.length > 0 ? lost : await waitFor(worker, asked, signal, bell)
      return jobs.map((job) => handedJob(deps.sealer, job))
    } finally {
      for (const one of [signal, stopping]) one.removeEventListener('abort', bell.end)
      if (latest.get(worker.id) === bell.end) latest.delete(worker.id)
    }
  }
}

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
