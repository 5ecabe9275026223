import type { RunStatus } from '../../../model/workflows/workflow.ts'
import type { Queries } from '../../database/database.ts'
import { bigint, float, json, query, type Row, text } from '../../database/table.ts'
import type { Bucket } from '../stats.ts'

/** By what statistics are grouped. */
export type StatsGroup = 'day' | 'model' | 'task'

/** Days of statistics, both included, and the tasks that count; undefined: all of the collection. */
export interface StatsWindow {
  collectionId: number
  taskIds: readonly number[] | undefined
  /** `YYYY-MM-DD`, UTC. */
  from: string
  to: string
}

const ended = {
  key: text,
  statuses: json<Partial<Record<RunStatus, number>>>('json'),
  buckets: json<Bucket[]>('json'),
}
/** Ended runs of a group: numbers by status, and the histogram of their durations, sorted. */
export type EndedRuns = Row<typeof ended>

const valuesOfWindow = ({ collectionId, taskIds, from, to }: StatsWindow) => [collectionId, taskIds ?? null, from, to]

const tasks = `t as materialized (
  select id, name from (
    select id, name from tasks where collection_id = $1
    union all select task_id, name from former_tasks where collection_id = $1) a
  where $2::bigint[] is null or id = any($2))`

const endedBy = (by: string, key: string) =>
  query(
    `ended_runs_by_${by}`,
    ended,
    `with ${tasks},
     d as materialized (
       select ${key} as key, d.status, d.bucket, sum(d.total)::bigint as total
       from t join duration_totals d on d.task_id = t.id and d.day >= $3::date and d.day <= $4::date
       group by 1, 2, 3 having sum(d.total) > 0),
     s as (select key, status, sum(total)::bigint as total from d group by 1, 2),
     b as (select key, bucket, sum(total)::bigint as total from d group by 1, 2)
     select k.key, (select json_object_agg(status, total) from s where s.key = k.key) as statuses,
       (select json_agg(json_build_object('bucket', bucket, 'total', total) order by bucket) from b where b.key = k.key)
         as buckets
     from (select distinct key from d) k order by k.key`,
    valuesOfWindow,
  )
const endedRuns = { day: endedBy('day', 'd.day::text'), task: endedBy('task', 't.name'), all: endedBy('all', `''`) }

/** Reads ended runs by day, by task, or all together. */
export const endedRunsBy = (queries: Queries, by: keyof typeof endedRuns, window: StatsWindow): Promise<EndedRuns[]> =>
  endedRuns[by](queries, window)

const used = {
  key: text,
  /** US dollars of calls with a known price. */
  usd: float,
  tokens: bigint,
  calls: bigint,
}
/** Totals of the model calls of a group. */
export type CallsOfGroup = Row<typeof used>

/** Maximum number of groups; those that cost most are kept. */
const mostGroups = 1_000

const usedBy = (by: string, key: string) =>
  query(
    `usage_by_${by}`,
    used,
    `select key, usd, tokens, calls from (
       select ${key} as key, sum(s.usd)::float8 as usd, sum(s.tokens)::bigint as tokens,
         sum(s.calls)::bigint as calls
       from spending s
       where s.collection_id = $1 and s.day >= $3::date and s.day <= $4::date
         and ($2::bigint[] is null or s.task_id = any($2))
       group by 1 order by 2 desc, 3 desc limit ${mostGroups}) u order by key`,
    valuesOfWindow,
  )
const nameOfTask = `coalesce((select name from tasks where id = s.task_id),
  (select name from former_tasks f where f.task_id = s.task_id), '')`
const usage = {
  day: usedBy('day', 's.day::text'),
  model: usedBy('model', 's.model'),
  task: usedBy('task', nameOfTask),
  all: usedBy('all', `''`),
}

/** Reads the usage of model calls by day, model or task, or all together. */
export const usageBy = (queries: Queries, by: keyof typeof usage, window: StatsWindow): Promise<CallsOfGroup[]> =>
  usage[by](queries, window)
