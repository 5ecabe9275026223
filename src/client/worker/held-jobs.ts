import type { WorkerJob } from '../../model/workers/worker-job.ts'

/** The jobs that a worker has, until the server has heard what came of each. */
export interface HeldJobs {
  ids(): string[]
  /** Begins a job, unless the worker has it already. */
  begin(job: WorkerJob): void
  /** Waits until another job can begin; resolves with how many, or with 0 once `stopping` fires and there is no room. */
  room(stopping: AbortSignal): Promise<number>
  /** Waits for all of them. */
  ended(): Promise<void>
}

/** Counts the jobs of a worker. `run` never rejects. */
export const makeHeldJobs = (most: number, run: (job: WorkerJob) => Promise<void>): HeldJobs => {
  const held = new Map<string, Promise<void>>()
  const keyOf = ({ job_id, epoch }: WorkerJob) => `${job_id} ${epoch}`
  return {
    ids: () => [...new Set([...held.keys()].map((key) => key.split(' ', 1)[0] ?? ''))],
    begin(job) {
      const key = keyOf(job)
      if (held.has(key)) return
      held.set(
        key,
        run(job).finally(() => held.delete(key)),
      )
    },
    async room(stopping) {
      let stop = () => {}
      const stopped = new Promise<void>((resolve) => {
        stop = resolve
      })
      stopping.addEventListener('abort', stop)
      while (held.size >= most && !stopping.aborted) await Promise.race([...held.values(), stopped])
      stopping.removeEventListener('abort', stop)
      return Math.max(most - held.size, 0)
    },
    async ended() {
      while (held.size > 0) await Promise.all(held.values())
    },
  }
}
