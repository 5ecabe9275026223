import type { RunStatus } from '../../../model/workflows/workflow.ts'
import type { Queries } from '../../database/database.ts'
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

/** Ended runs of a group: numbers by status, and the histogram of their durations, sorted. */
export interface EndedRuns {
  key: string
  statuses: Partial<Record<RunStatus, number>>
  buckets: Bucket[]
}

const tasks = `t as materialized (
  select id, name from (
    select id, name from tasks where collection_id = $1
    union all select task_id, name from former_tasks where collection_id = $1) a
  where $2::bigint[] is null or id = any($2))`

const runKeys = { day: 'd.day::text', task: 't.name', all: `''` }

/** Reads ended runs by day, by task, or all together. */
export const endedRunsBy = async (
  queries: Queries,
  by: keyof typeof runKeys,
  { collectionId, taskIds, from, to }: StatsWindow,
): Promise<EndedRuns[]> =>
  queries.rows<EndedRuns>(
    `ended_runs_by_${by}`,
    `with ${tasks},
     d as materialized (
       select ${runKeys[by]} as key, d.status, d.bucket, sum(d.total)::bigint as total
       from t join duration_totals d on d.task_id = t.id and d.day >= $3::date and d.day <= $4::date
       group by 1, 2, 3 having sum(d.total) > 0),
     s as (select key, status, sum(total)::bigint as total from d group by 1, 2),
     b as (select key, bucket, sum(total)::bigint as total from d group by 1, 2)
     select k.key, (select json_object_agg(status, total) from s where s.key = k.key) as statuses,
       (select json_agg(json_build_object('bucket', bucket, 'total', total) order by bucket) from b where b.key = k.key)
         as buckets
     from (select distinct key from d) k order by k.key`,
    [collectionId, taskIds ?? null, from, to],
  )

/** Totals of the model calls of a group. */
export interface CallsOfGroup {
  key: string
  /** US dollars of calls with a known price. */
  usd: number
  tokens: number
  calls: number
}

const usageKeys = {
  day: 's.day::text',
  model: 's.model',
  task: `coalesce((select name from tasks where id = s.task_id), (select name from former_tasks f where f.task_id = s.task_id), '')`,
  all: `''`,
}

/** Maximum number of groups; those that cost most are kept. */
const mostGroups = 1_000

/** Reads the usage of model calls by day, model or task, or all together. */
export const usageBy = (
  queries: Queries,
  by: keyof typeof usageKeys,
  { collectionId, taskIds, from, to }: StatsWindow,
): Promise<CallsOfGroup[]> =>
  queries.rows<CallsOfGroup>(
    `usage_by_${by}`,
    `select key, usd, tokens, calls from (
       select ${usageKeys[by]} as key, sum(s.usd)::float8 as usd, sum(s.tokens)::bigint as tokens,
         sum(s.calls)::bigint as calls
       from spending s
       where s.collection_id = $1 and s.day >= $3::date and s.day <= $4::date
         and ($2::bigint[] is null or s.task_id = any($2))
       group by 1 order by 2 desc, 3 desc limit ${mostGroups}) u order by key`,
    [collectionId, taskIds ?? null, from, to],
  )
