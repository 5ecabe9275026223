import { checkedOutputs } from '../../activities/own/checked-outputs.ts'
import type { OwnActivity, WorkContext } from '../../activities/own/own-activity.ts'
import { AppError, messageOf } from '../../lib/errors.ts'
import { issueText } from '../../lib/text/issue-text.ts'
import type { WorkerJob } from '../../model/workers/worker-job.ts'
import type { Client } from '../client.ts'
import { isGone, untilAnswered } from './answered.ts'
import { type Heartbeats, type JobLoss, startHeartbeats } from './heartbeats.ts'
import { jobFiles } from './job-files.ts'
import { jobFailureText } from './registration.ts'
import type { WorkerLog } from './worker-options.ts'

/** Longest wait for the answer of a call that settles a job. */
const callMs = 60_000
/** A heartbeat waits at least this long for its answer: a server with much to do is not gone. */
const leastBeatMs = 5_000
/** Longest pause before the next attempt that the server accepts. */
const mostRetryAfterSeconds = 86_400

export interface JobRunner {
  client: Client
  workerId: string
  heartbeatMs: number
  activities: ReadonlyMap<string, OwnActivity>
  /** Fires when the worker gives up its jobs: the time to drain is over. */
  abandoned: AbortSignal
  log(entry: WorkerLog): void
}

type Outcome = { outputs: Record<string, unknown> } | { error: unknown }

const titleOf = ({ run: { collection, task, trajectory_id, step } }: WorkerJob): string =>
  `${collection}/${task}/${trajectory_id}/${step}`

/** Executes the activity of a job; never throws. */
const carryOut = async (activity: OwnActivity | undefined, job: WorkerJob, context: WorkContext): Promise<Outcome> => {
  try {
    if (!activity) throw new AppError('activity_failed', `This worker does not offer ${job.activity}`)
    const parsed = activity.parameters.safeParse(job.parameters)
    if (!parsed.success) {
      const faults = parsed.error.issues.map((issue) => `${issue.path.map(String).join('.')}: ${issueText(issue)}`)
      throw new AppError('parameter_invalid', `Parameters of ${job.activity} are not valid: ${faults.join('; ')}`)
    }
    const outputs = checkedOutputs(activity, await activity.run(parsed.data, context))
    JSON.stringify(outputs) // throws for a bigint or a cycle, which could not be sent
    return { outputs }
  } catch (error) {
    return { error }
  }
}

/** Tells the server the outcome until it answers. */
const settle = async (runner: JobRunner, job: WorkerJob, outcome: Outcome, beats: Heartbeats): Promise<void> => {
  const { client, workerId, abandoned } = runner
  const logs = beats.takeLines()
  const params = { worker_id: workerId, job_id: job.job_id }
  const signal = () => AbortSignal.timeout(callMs)
  const { epoch } = job
  const fail = (error: unknown) => {
    const known = error instanceof AppError ? error : undefined
    const seconds = known?.retryAfterSeconds
    const body = {
      ...{ epoch, logs, error: jobFailureText(error), retryable: known?.retryable ?? false },
      ...(seconds !== undefined && { retry_after_seconds: Math.min(Math.max(seconds, 0), mostRetryAfterSeconds) }),
    }
    return untilAnswered(() => client.failJob({ params, body, signal: signal() }), abandoned)
  }
  if ('error' in outcome) return void (await fail(outcome.error))
  const { outputs } = outcome
  try {
    await untilAnswered(
      () => client.completeJob({ params, body: { epoch, outputs, logs }, signal: signal() }),
      abandoned,
    )
  } catch (error) {
    // 422: the attempt has failed with that reason. A body that the server refuses unread must be told in another way.
    if (!(error instanceof AppError) || error.status === 422 || error.status === 401 || isGone(error)) throw error
    await fail(new AppError('activity_failed', `The outputs were refused: ${error.message}`))
  }
}

const aborted = (signal: AbortSignal): Promise<Outcome> =>
  new Promise((resolve) => signal.addEventListener('abort', () => resolve({ error: signal.reason }), { once: true }))

/** Carries a job out and tells the server what came of it; never throws. A lost or cancelled job ends at once. */
export const runJob = async (runner: JobRunner, job: WorkerJob): Promise<void> => {
  const { client, workerId, activities, abandoned, log } = runner
  const title = titleOf(job)
  const ending = new AbortController()
  let loss: JobLoss | undefined
  const beats = startHeartbeats({
    epoch: job.epoch,
    everyMs: runner.heartbeatMs,
    // A heartbeat that hangs ends in time for the next one: the lease is no longer than three of them.
    send: (body) =>
      client.heartbeatJob({
        params: { worker_id: workerId, job_id: job.job_id },
        body,
        signal: AbortSignal.timeout(Math.max(runner.heartbeatMs, leastBeatMs)),
      }),
    onLoss(found) {
      loss ??= found
      ending.abort(
        new AppError('cancelled', found === 'lost' ? 'Another worker has this job' : 'The job was cancelled'),
      )
    },
  })
  const activity = activities.get(job.activity)
  // One that must not be repeated may have had its effect.
  const retryable = activity?.idempotent !== false
  const cutOff = `The worker stopped before the activity ended${retryable ? '' : ', which must not be repeated'}`
  const abandon = () => ending.abort(new AppError('stopping', cutOff, { retryable }))
  abandoned.addEventListener('abort', abandon, { once: true })
  const context: WorkContext = {
    idempotencyKey: job.idempotency_key,
    signal: ending.signal,
    run: { collection: job.run.collection, task: job.run.task, trajectory_id: job.run.trajectory_id },
    step: { name: job.run.step, attempt: job.attempt },
    files: jobFiles(client, workerId, job, ending.signal),
    progress: beats.progress,
    log: beats.log,
  }
  try {
    const outcome = await Promise.race([carryOut(activity, job, context), aborted(ending.signal)])
    if (loss)
      return log({ level: 'warning', message: loss === 'lost' ? 'lost to another worker' : 'cancelled', job: title })
    await settle(runner, job, outcome, beats)
  } catch (error) {
    log({ level: 'warning', message: `not settled: ${messageOf(error)}`, job: title })
  } finally {
    beats.stop()
    abandoned.removeEventListener('abort', abandon)
  }
}
