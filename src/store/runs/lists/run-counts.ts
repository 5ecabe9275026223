import type { RunStatus } from '../../../model/workflows/workflow.ts'
import type { Queries } from '../../database/database.ts'
import { bigint, json, queryRow, type Row } from '../../database/table.ts'

/** Numbers of runs of some tasks, read from maintained totals. */
export interface RunCounts {
  total: number
  byStatus: Partial<Record<RunStatus, number>>
  /** Steps that wait for a person. */
  approvals: number
  tasks: number
  routines: number
  /** Versions of all these tasks. */
  versions: number
}

/** The tasks of a collection, deleted ones included, or those of them that are given. */
const tasks = `t as materialized (
  select id from (
    select id from tasks where collection_id = $1 union all select task_id from former_tasks where collection_id = $1) a
  where $2::bigint[] is null or id = any($2))`

const counts = {
  started: bigint,
  pending: bigint,
  statuses: json<Partial<Record<RunStatus, number>>>('json'),
  approvals: bigint,
  tasks: bigint,
  routines: bigint,
  versions: bigint,
}
const readCounts = queryRow(
  'count_runs_of',
  counts,
  `with ${tasks}
     select (select coalesce(sum(total), 0) from run_counts where task_id in (select id from t))::bigint as started,
       (select count(*) from t join runs r on r.task_id = t.id and r.status = 'pending' and r.ended_at is null) as pending,
       (select coalesce(json_object_agg(status, total), '{}') from (
          select status, sum(total)::bigint as total from run_totals where task_id in (select id from t)
          group by status having sum(total) > 0) s) as statuses,
       (select count(*) from approvals a join runs r on r.id = a.run_id and r.ended_at is null
        where a.collection_id = $1 and a.decision is null
          and ($2::bigint[] is null or r.task_id = any($2))) as approvals,
       (select count(*) from tasks where id in (select id from t)) as tasks,
       (select count(*) from routines where task_id in (select id from t)) as routines,
       (select count(*) from task_versions where task_id in (select id from t)) as versions`,
  (collectionId: number, taskIds: readonly number[] | null) => [collectionId, taskIds],
)

/**
 * Counts the runs of a collection, or of some of its tasks, in one snapshot. It counts only queued runs and open
 * approvals row by row, each in an index. The rest of the open runs are running.
 */
export const countRunsOf = async (
  queries: Queries,
  collectionId: number,
  taskIds: readonly number[] | undefined,
): Promise<RunCounts> => {
  const { started, pending, statuses, ...more } = await readCounts(queries, collectionId, taskIds ?? null)
  return { total: started, byStatus: withOpenRuns({ started, pending, statuses }), ...more }
}

/** Adds open runs to the numbers of ended ones: `pending` of them wait in the queue, and the others execute. */
export const withOpenRuns = ({
  started,
  pending,
  statuses,
}: Pick<Row<typeof counts>, 'started' | 'pending' | 'statuses'>) => {
  const ended = Object.values(statuses).reduce((sum, total) => sum + total, 0)
  const open = Math.max(0, started - ended)
  const waiting = Math.min(open, pending)
  return {
    ...statuses,
    pending: (statuses.pending ?? 0) + waiting,
    running: (statuses.running ?? 0) + open - waiting,
  }
}
