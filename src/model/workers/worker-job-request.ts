/** An activity that a worker is asked to carry out. */
export interface WorkerJobRequest {
  activity: string
  parameters: Record<string, unknown>
  /** What the worker must have. */
  labels: string[]
}

/** Returned instead of outputs: wait until the job of this step is settled, out of memory; then the activity runs again. */
export class WaitForJob {
  readonly isWaitForJob = true
}
