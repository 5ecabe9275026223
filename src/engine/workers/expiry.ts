import { backoffMs } from '../../lib/backoff.ts'
import { AppError } from '../../lib/errors.ts'
import { now, timestamp } from '../../lib/time.ts'
import type { StepLog } from '../../model/runs/step.ts'
import type { OfferedActivity } from '../../model/workers/worker.ts'
import type { Queries } from '../../store/database/database.ts'
import type { DatabaseWatch } from '../../store/database/watch.ts'
import { type ExpiredJob, expiredJobs, renewAllLeases, requeueLostJob } from '../../store/workers/jobs.ts'
import { settleJob } from '../../store/workers/leased-jobs.ts'
import { type JobSealer, sealOfJob, storedResult } from './job-result.ts'

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
