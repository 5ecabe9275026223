import type { Queries } from '../database/database.ts'

/** An open job as people see it. */
interface OpenJobRow {
  seq: number
  state: 'queued' | 'leased'
  /** Name of the worker that has it. */
  worker: string | null
  progress: number | null
  message: string | null
}

/** Reads the open jobs of some steps of a run. */
export const openJobs = (queries: Queries, runKey: string, seqs: readonly number[]): Promise<OpenJobRow[]> =>
  queries.rows<OpenJobRow>(
    'open_jobs',
    `select j.seq, j.state, w.name as worker, j.progress, j.message
     from worker_jobs j left join workers w on w.id = j.worker_id
     where j.run_id = $1 and j.seq = any($2::int[]) and j.state in ('queued', 'leased') order by j.seq`,
    [runKey, seqs],
  )
