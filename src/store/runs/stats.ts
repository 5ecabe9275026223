import type { RunStatus } from '../../model/workflows/workflow.ts'
import type { Queries } from '../database/database.ts'
import { bigint, float, json, moment, orNull, query, queryRow, type Row, text } from '../database/table.ts'
import { countedValue } from './label-totals.ts'

/** Totals over all runs of a task, read from counters. */
interface TaskTotals {
  /** Current name of the task, or its last one. */
  name: string
  /** Number of runs ever started here or ingested. */
  total: number
  byStatus: Partial<Record<RunStatus, number>>
  durations: Durations | undefined
  first: Date | null
  last: Date | null
}

/** Durations of ended runs, from creation to end, in milliseconds. */
export interface Durations {
  average: number
  min: number
  max: number
  p50: number
  p95: number
}

const stepTotal = { step: text, count: bigint, failed: bigint, ms: bigint }
export type StepTotals = Row<typeof stepTotal>

interface StatusRow {
  status: RunStatus
  total: number
  ms: number
  min_ms: number | null
  max_ms: number | null
}

export interface Bucket {
  bucket: number
  total: number
}

const readTotals = queryRow(
  'task_totals',
  {
    name: text,
    started: bigint,
    pending: bigint,
    statuses: json<StatusRow[]>('json'),
    buckets: json<Bucket[]>('json'),
    first: orNull(moment),
    last: orNull(moment),
  },
  `select coalesce((select name from tasks where id = $1), (select name from former_tasks where task_id = $1), '') as name,
       (select coalesce(sum(total), 0) from run_counts where task_id = $1)::bigint as started,
       (select count(*) from runs where task_id = $1 and status = 'pending' and ended_at is null) as pending,
       (select coalesce(json_agg(s), '[]') from (
          select status, sum(total)::bigint as total, sum(ms)::bigint as ms, min(min_ms) as min_ms, max(max_ms) as max_ms
          from run_totals where task_id = $1 group by status having sum(total) > 0) s) as statuses,
       (select coalesce(json_agg(d), '[]') from (
          select bucket, sum(total)::bigint as total from duration_totals where task_id = $1
          group by bucket having sum(total) > 0 order by bucket) d) as buckets,
       (select created_at from runs where task_id = $1 order by created_at, number limit 1) as first,
       (select created_at from runs where task_id = $1 order by created_at desc, number desc limit 1) as last`,
  (taskId: number) => [taskId],
)

/**
 * Reads all totals in one statement, so from one snapshot. Only queued runs are counted, by an index scan as long as
 * the queue; the number of running ones follows.
 */
export const taskTotals = async (queries: Queries, taskId: number): Promise<TaskTotals> => {
  const { name, started, pending, statuses, buckets, first, last } = await readTotals(queries, taskId)
  const byStatus: TaskTotals['byStatus'] = Object.fromEntries(statuses.map(({ status, total }) => [status, total]))
  const open = Math.max(0, started - statuses.reduce((sum, { total }) => sum + total, 0))
  byStatus.pending = (byStatus.pending ?? 0) + Math.min(open, pending)
  byStatus.running = (byStatus.running ?? 0) + Math.max(0, open - pending)
  return { name, total: started, byStatus, durations: durationsOf(statuses, buckets), first, last }
}

const durationsOf = (statuses: StatusRow[], buckets: Bucket[]): Durations | undefined => {
  const ended = statuses.reduce((sum, { total }) => sum + total, 0)
  const lowest = buckets[0]
  const highest = buckets.at(-1)
  if (ended === 0 || !lowest || !highest) return undefined
  // A re-ingested run leaves the extremes of its older version behind; the buckets bound them.
  const min = Math.max(lowerBound(lowest.bucket), Math.min(...statuses.map((row) => row.min_ms ?? Infinity)))
  const max = Math.min(lowerBound(highest.bucket + 1), Math.max(...statuses.map((row) => row.max_ms ?? 0)))
  const between = (ms: number) => Math.min(max, Math.max(min, ms))
  return {
    average: statuses.reduce((sum, { ms }) => sum + ms, 0) / ended,
    min,
    max,
    p50: between(percentileOf(buckets, 0.5)),
    p95: between(percentileOf(buckets, 0.95)),
  }
}

/** Buckets in an octave, as in the database function `duration_bucket`. */
const bucketsAnOctave = 8
const growth = 2 ** (1 / bucketsAnOctave)

/** Lower bound of a bucket in milliseconds. */
const lowerBound = (bucket: number): number => (bucket <= 0 ? 0 : growth ** (bucket - 1))

/** Maximum relative error of a percentile read from buckets. */
export const percentileError = (growth - 1) / (growth + 1)

/**
 * Computes the nearest-rank percentile: the duration that a fraction `part` of runs did not exceed. `buckets` must be
 * sorted.
 */
export const percentileOf = (buckets: readonly Bucket[], part: number): number => {
  const rank = Math.max(1, Math.ceil(part * buckets.reduce((sum, { total }) => sum + total, 0)))
  let seen = 0
  for (const { bucket, total } of buckets) {
    seen += total
    // The value with the same relative distance to both bounds.
    if (seen >= rank) return bucket <= 0 ? 0 : (2 * growth * lowerBound(bucket)) / (growth + 1)
  }
  return 0
}

/** Maximum number of step names shown; a workflow may change its names in every version. */
export const mostSteps = 1000

/** Reads totals of ended steps by name, in workflow order, for the first `mostSteps` names. */
export const stepTotals = query(
  'step_totals',
  stepTotal,
  `select step, count, failed, ms from (
       select step, min(seq) as seq, sum(total)::bigint as count, sum(failed)::bigint as failed, sum(ms)::bigint as ms
       from step_totals where task_id = $1 group by step having sum(total) > 0 order by step limit $2) s
     order by seq, step`,
  (taskId: number) => [taskId, mostSteps],
)

const mostLabelKeys = 100
const mostLabelValues = 50
/** Label values are truncated to this length, and counted together. */
const shownCharacters = 200

/** Counts label values over a task's runs: the first keys, with the most frequent values of each. */
export const labelTotals = query(
  'label_totals',
  { key: text, value: text, total: bigint },
  `with recursive keys(key, place) as (
       (select key, 1 from label_counts where task_id = $1 and total > 0 order by key limit 1)
       union all
       select (select c.key from label_counts c where c.task_id = $1 and c.key > k.key and total > 0 order by c.key limit 1),
         place + 1
       from keys k where k.key is not null and place < $2)
     select k.key, v.value, v.total from keys k cross join lateral (
       select left(c.value, ${shownCharacters}) as value, c.total from label_counts c
       where c.task_id = $1 and c.key = k.key and c.total > 0 order by c.total desc limit $3) v
     where k.key is not null order by k.key, v.total desc, v.value`,
  (taskId: number) => [taskId, mostLabelKeys, mostLabelValues],
)

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

/** The label whose use counts: a key, and one of its values or all. */
export interface CountedLabel {
  key: string
  value: string | undefined
}

const labelledBy = (by: string, key: string) =>
  query(
    `label_use_by_${by}`,
    used,
    `select key, usd, tokens, calls from (
       select ${key} as key, sum(d.usd)::float8 as usd, sum(d.tokens)::bigint as tokens, sum(d.calls)::bigint as calls
       from label_days d
       where d.collection_id = $1 and d.key = $2 collate "C" and d.day >= $3::date and d.day <= $4::date
         and ($5::text is null or d.value = ${countedValue('$5')})
       group by 1 having sum(d.calls) > 0 order by 2 desc, 3 desc limit ${mostGroups}) u order by key`,
    ({ collectionId, from, to }: StatsWindow, { key, value }: CountedLabel) => [
      ...[collectionId, key, from, to, value ?? null],
    ],
  )
const labelled = {
  day: labelledBy('day', 'd.day::text'),
  label: labelledBy('value', 'd.value'),
  all: labelledBy('all', `''`),
}

/** Reads the usage of model calls with a label by day or by its values, or all together. */
export const labelledUsageBy = (
  queries: Queries,
  by: keyof typeof labelled,
  window: StatsWindow,
  label: CountedLabel,
): Promise<CallsOfGroup[]> => labelled[by](queries, window, label)

const spentToday = { collection: text, model: text, usd: float, tokens: bigint, calls: bigint }
export type SpentToday = Row<typeof spentToday>

/** Pairs of collection and model that metrics name; the others are one row, `other`. */
const mostNamed = 500

/** Reads what collections have spent today (UTC) on models: one range of the primary key for each collection. */
export const spentTodayByModel = query(
  'spent_today_by_model',
  spentToday,
  `with s as (
       select c.name as collection, m.model, m.usd, m.tokens, m.calls,
         row_number() over (order by m.usd desc, m.calls desc, c.id, m.model) <= ${mostNamed} as is_named
       from collections c cross join lateral (
         select model, sum(usd) as usd, sum(tokens) as tokens, sum(calls) as calls from spending
         where collection_id = c.id and day = (now() at time zone 'utc')::date group by model offset 0) m)
     select case when is_named then collection else 'other' end as collection,
       case when is_named then model else 'other' end as model,
       sum(usd)::float8 as usd, sum(tokens)::bigint as tokens, sum(calls)::bigint as calls
     from s group by 1, 2`,
)
