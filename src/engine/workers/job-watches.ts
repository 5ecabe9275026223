import type { Queries } from '../../store/database/database.ts'
import { settledSteps } from '../../store/workers/jobs.ts'

/** A step that waits in memory for its job. */
interface WatchedJob {
  runKey: string
  seq: number
  /** Called once, when the job is settled. */
  tell(): void
}

/** The steps of this process that wait for workers. */
export interface JobWatches {
  /** Returns the function that stops the watch. */
  watch(step: WatchedJob): () => void
  /** Takes a notification: the place of a settled job. */
  hear(place: string): void
  /** Looks which jobs are settled: notifications may have been lost. */
  look(): Promise<void>
}

export const makeJobWatches = (database: Queries): JobWatches => {
  const watched = new Map<string, WatchedJob>()
  const hear = (place: string) => {
    watched.get(place)?.tell()
    watched.delete(place)
  }
  return {
    watch(step) {
      const place = `${step.runKey} ${step.seq}`
      watched.set(place, step)
      return () => {
        if (watched.get(place) === step) watched.delete(place)
      }
    },
    hear,
    async look() {
      if (watched.size === 0) return
      const settled = await settledSteps(database, [...watched.values()])
      for (const { run_id, seq } of settled) hear(`${run_id} ${seq}`)
    },
  }
}
