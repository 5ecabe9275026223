import { orNull, pick, query, text, textOf } from '../database/table.ts'
import { workerJobs } from './jobs.ts'

/** Reads the open jobs of some steps of a run, as people see them. */
export const openJobs = query(
  'open_jobs',
  {
    ...pick(workerJobs.columns, ['seq', 'progress', 'message']),
    state: textOf<'queued' | 'leased'>(),
    /** Name of the worker that has it. */
    worker: orNull(text),
  },
  `select j.seq, j.state, w.name as worker, j.progress, j.message
     from worker_jobs j left join workers w on w.id = j.worker_id
     where j.run_id = $1 and j.seq = any($2::int[]) and j.state in ('queued', 'leased') order by j.seq`,
  (runKey: string, seqs: readonly number[]) => [runKey, seqs],
)
