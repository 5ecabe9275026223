import type { CompleteJob, FailJob, JobHeartbeat, WorkerJob } from './worker-job.ts'

/** A worker that asks for jobs. */
export interface PollingWorker {
  id: string
  labels: readonly string[]
  /** Collections that its key covers now; null: all. */
  collectionIds: readonly number[] | null
  /** Jobs that it has. */
  jobs: number
}

export interface AskedJobs {
  /** Maximum jobs that the worker takes now. */
  free: number
  waitMs: number
  /** Ids of the jobs that the worker is carrying out; undefined if it does not send them. */
  holding: readonly string[] | undefined
}

/** A hand-over of a job: the worker and the epoch that its calls must have. */
export interface JobHold {
  id: string
  workerId: string
  epoch: number
}

/** A call about a job. */
export interface JobCall extends JobHold {
  /** Collections that the key of the worker covers now; null: all. */
  collectionIds: readonly number[] | null
}

/** The queue of steps that workers carry out. Calls about a job that the worker has no more throw `conflict`. */
export interface WorkerQueue {
  /** Gives jobs, or waits for some. Resolves with none when the time is over, the signal fires or the server stops. */
  poll(worker: PollingWorker, asked: AskedJobs, signal: AbortSignal): Promise<WorkerJob[]>
  /** Ends all polls, and each that begins afterwards: the server stops. */
  endPolls(): void
  heartbeat(hold: JobCall, told: JobHeartbeat): Promise<{ cancelled: boolean; leaseExpiresAt: Date }>
  /** Throws `invalid` for outputs that do not fit their schema: the attempt has failed then. */
  complete(hold: JobCall, result: CompleteJob): Promise<'completed' | 'failed'>
  fail(hold: JobCall, failure: FailJob): Promise<'completed' | 'failed'>
}
