import type { Queries } from '../../database/database.ts'
import { isOnline } from './workers.ts'

interface WorkerFigures {
  /** Workers that take jobs now. */
  workers: number
  jobsQueued: number
  jobsLeased: number
}

/** Counts the workers and their jobs, for metrics. */
export const workerFigures = async (queries: Queries): Promise<WorkerFigures> => {
  const [row] = await queries.rows<WorkerFigures>(
    'worker_figures',
    `select (select count(*) from workers w where ${isOnline})::int as workers,
       (select count(*) from worker_jobs where state = 'queued')::int as "jobsQueued",
       (select count(*) from worker_jobs where state = 'leased')::int as "jobsLeased"`,
  )
  return row ?? { workers: 0, jobsQueued: 0, jobsLeased: 0 }
}
