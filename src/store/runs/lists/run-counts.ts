import type { RunStatus } from '../../../model/workflows/workflow.ts'
import type { Queries } from '../../database/database.ts'
import { bigint, float, json, orNull, query, queryRow, type Row } from '../../database/table.ts'

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
const withOpenRuns = ({ started, pending, statuses }: Pick<Row<typeof counts>, 'started' | 'pending' | 'statuses'>) => {
  const ended = Object.values(statuses).reduce((sum, total) => sum + total, 0)
  const open = Math.max(0, started - ended)
  const waiting = Math.min(open, pending)
  return {
    ...statuses,
    pending: (statuses.pending ?? 0) + waiting,
    running: (statuses.running ?? 0) + open - waiting,
  }
}

/** Totals of the runs of some tasks. */
export interface GroupTotals {
  id: number
  byStatus: Partial<Record<RunStatus, number>>
  /** Steps that wait for a person. */
  approvals: number
  /** Null when there was no run. */
  last: LastRun | null
}

interface LastRun {
  trajectory_id: string
  task: string
  status: RunStatus
  created_at: string
}

/** SQL queries for the task ids of one group `i`, and for the collections of all groups. */
const groups = {
  task: {
    tasks: 'select i.id as task_id',
    collections: 'select collection_id from tasks where id = any($1::bigint[])',
  },
  collection: {
    tasks: `select id as task_id from tasks where collection_id = i.id
      union all select task_id from former_tasks where collection_id = i.id`,
    collections: 'select unnest($1::bigint[])',
  },
}

const totalsOf = (kind: keyof typeof groups) => {
  const { collections } = groups[kind]
  const tasks = `(${groups[kind].tasks}) g`
  return query(
    `totals_of_${kind}s`,
    {
      id: bigint,
      started: bigint,
      pending: bigint,
      statuses: json<Partial<Record<RunStatus, number>>>('json'),
      approvals: bigint,
      last: orNull(json<LastRun>('json')),
    },
    `with waiting as materialized (
       select r.task_id, count(*) as total from approvals a join runs r on r.id = a.run_id and r.ended_at is null
       where a.decision is null and a.collection_id in (${collections}) group by 1)
     select i.id::bigint as id,
       (select coalesce(sum(c.total), 0) from ${tasks} join run_counts c on c.task_id = g.task_id)::bigint as started,
       (select count(*) from ${tasks} join runs r on r.task_id = g.task_id and r.status = 'pending' and r.ended_at is null)
         as pending,
       (select coalesce(json_object_agg(s.status, s.total), '{}') from (
          select t.status, sum(t.total)::bigint as total from ${tasks} join run_totals t on t.task_id = g.task_id
          group by t.status having sum(t.total) > 0) s) as statuses,
       (select coalesce(sum(w.total), 0) from ${tasks} join waiting w on w.task_id = g.task_id)::bigint as approvals,
       (select json_build_object('trajectory_id', l.trajectory_id, 'task', split_part(l.name, '/', 2), 'status', l.status,
          'created_at', l.created_at)
        from ${tasks} cross join lateral (
          select trajectory_id, name, status, created_at from runs where task_id = g.task_id
          order by created_at desc, number desc limit 1) l
        order by l.created_at desc limit 1) as last
     from unnest($1::bigint[]) with ordinality i(id, at) order by i.at`,
    (ids: readonly number[]) => [ids],
  )
}
const totals = { task: totalsOf('task'), collection: totalsOf('collection') }

/**
 * Reads totals of tasks, or of all tasks of collections, in one snapshot and in the order of the ids. Counters have all
 * but runs in the queue and open approvals, which are counted in their indexes.
 */
export const groupTotals = async (
  queries: Queries,
  kind: keyof typeof totals,
  ids: readonly number[],
): Promise<GroupTotals[]> => {
  const rows = await totals[kind](queries, ids)
  return rows.map(({ id, approvals, last, ...counts }) => ({ id, byStatus: withOpenRuns(counts), approvals, last }))
}

const spentInDays = query(
  'spent_lately',
  { collection_id: bigint, usd: float, calls: bigint },
  `select collection_id, sum(usd)::float8 as usd, sum(calls)::bigint as calls from spending
     where collection_id = any($1::bigint[]) and day > (now() at time zone 'utc')::date - $2::int group by collection_id`,
  (collectionIds: readonly number[], days: number) => [collectionIds, days],
)

/** Reads what collections spent on models, and in how many calls, in the last `days` days (UTC), today included. */
export const spentLately = async (
  queries: Queries,
  collectionIds: readonly number[],
  days: number,
): Promise<Map<number, { usd: number; calls: number }>> => {
  const rows = await spentInDays(queries, collectionIds, days)
  return new Map(rows.map((row) => [row.collection_id, row]))
}
