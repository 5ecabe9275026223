import { defaultLabelValuesPerDay, otherLabelValue } from '../../model/runs/label.ts'
import type { Queries } from '../database/database.ts'
import { bigint, change, float, listsOf, query, text } from '../database/table.ts'

/** Labels whose values are listed: users and sessions. Their totals are kept in every collection. */
const listedKeys = `('user', 'session')`

/** SQL expression: a value as totals know it. Longer ones are cut, and counted together. */
export const countedValue = (value: string): string => `left(${value}, 200) collate "C"`

/** SQL expression: a member of the settings of collection `id`. */
const settingOf = (id: string, name: string): string =>
  `(select c.settings::json->'${name}' from collections c where c.id = ${id})`

/**
 * CTEs that add `rows` (collection_id, key, value, day, usd, tokens, calls, runs) to the totals of labels by day. They skip
 * keys that their collection does not count. A statement writes them last and in key order, so none deadlock: who holds a
 * row of `label_days` waits only for later rows of that table. Rows have no shards, since `label_counts` has none either
 * and is written with them.
 */
export const keepLabelDays = (rows: string): string => `label_use as materialized (
  select collection_id, key collate "C" as key, ${countedValue('value')} as value, day, sum(coalesce(usd, 0)) as usd,
    sum(coalesce(tokens, 0)) as tokens, sum(calls) as calls, sum(runs) as runs
  from ${rows} x
  where value <> '' and (key in ${listedKeys}
    or key in (select json_array_elements_text(${settingOf('x.collection_id', 'label_totals')})))
  group by 1, 2, 3, 4),
label_news as materialized (
  select *, row_number() over (partition by collection_id, key, day order by value) as place
  from label_use u where not exists (
    select from label_days d where (d.collection_id, d.key, d.day, d.value) = (u.collection_id, u.key, u.day, u.value))),
label_rest as materialized (
  select collection_id, key, day, value from label_news n join (
    select f.*, m.most, (select count(*) from (
      select from label_days d where (d.collection_id, d.key, d.day) = (f.collection_id, f.key, f.day) limit m.most) seen) as there
    from (select distinct collection_id, key, day from label_news) f
    cross join lateral (
      select coalesce(${settingOf('f.collection_id', 'label_values_per_day')}::text::int, ${defaultLabelValuesPerDay}) as most) m) full_days
    using (collection_id, key, day)
  where n.place + full_days.there > full_days.most),
label_days_kept as (
  insert into label_days as d (collection_id, key, day, value, usd, tokens, calls, runs)
  select collection_id, key, day, case when (collection_id, key, day, value) in (select * from label_rest)
      then '${otherLabelValue}' else value end,
    sum(usd), sum(tokens), sum(calls), sum(runs)
  from label_use group by 1, 2, 3, 4 order by 1, 2, 3, 4
  on conflict (collection_id, key, day, value) do update
    set usd = d.usd + excluded.usd, tokens = d.tokens + excluded.tokens, calls = d.calls + excluded.calls,
      runs = d.runs + excluded.runs)`

/**
 * CTE that maintains the list of users and sessions from rows named `come` (collection_id, key, value, at) and `gone`
 * (collection_id, key, value). Writers go in key order.
 */
export const keepLabelValues = (come: string, gone?: string): string => `valued as (
  insert into label_values as v (collection_id, key, value, runs, first_at, seen_at)
  select collection_id, key collate "C", ${countedValue('value')}, sum(delta), coalesce(min(at), now()), coalesce(max(at), '-infinity')
  from (select collection_id, key, value, at, 1 as delta from ${come}
    ${gone ? `union all select collection_id, key, value, null, -1 from ${gone}` : ''}) deltas
  where key in ${listedKeys} and value <> '' group by 1, 2, 3 order by 1, 2, 3
  on conflict (collection_id, key, value) do update
    set runs = v.runs + excluded.runs, first_at = least(v.first_at, excluded.first_at),
      seen_at = greatest(v.seen_at, excluded.seen_at)
  returning collection_id, key, value, runs)`

/** SQL expression: the array of keys of a run and of all runs above it. */
export const lineOf = (runKey: string): string =>
  `case when position('/' in ${runKey}) = 0 then array[${runKey}] else keys_of_line(${runKey}) end`

/** What calls have used on a day. */
export interface DayUse {
  /** `YYYY-MM-DD`, UTC. */
  day: string
  usd: number
  tokens: number
  calls: number
}

interface LabelUse extends DayUse {
  key: string
  value: string
  runs: number
}

const addUse = change(
  'add_label_use',
  `with ${keepLabelDays(`(select $1::bigint as collection_id, * from unnest($2::text[], $3::text[], $4::date[], $5::numeric[],
    $6::bigint[], $7::bigint[], $8::bigint[]) u(key, value, day, usd, tokens, calls, runs))`)} select`,
  (collectionId: number, use: readonly LabelUse[]) => [
    collectionId,
    ...listsOf(['key', 'value', 'day', 'usd', 'tokens', 'calls', 'runs'], use),
  ],
)

const readUse = query(
  'use_of_traces',
  { run_id: text, day: text, usd: float, tokens: bigint, calls: bigint },
  `select run_id, (ended_at at time zone 'UTC')::date::text as day, coalesce(sum((usage::json->>'cost_usd')::float8), 0) as usd,
       coalesce(sum((usage::json->>'total_tokens')::bigint), 0)::bigint as tokens, count(*) as calls
     from steps where run_id = any($1) and usage is not null and span::json->'call' is null group by 1, 2`,
  (runKeys: readonly string[]) => [runKeys],
)

const noteLabels = change(
  'note_counted_labels',
  `update runs r set counted_labels = u.labels from unnest($1::text[], $2::text[]) u(id, labels) where r.id = u.id`,
  (runs: readonly CountedTrace[]) => [
    runs.map(({ runKey }) => runKey),
    runs.map(({ after }) => JSON.stringify(Object.fromEntries(after))),
  ],
)

/** Reads the column `counted_labels`. */
export const countedLabels = (stored: string | null): Map<string, string> =>
  new Map(stored === null ? [] : Object.entries(JSON.parse(stored) as Record<string, string>))

/** A trace whose calls are counted under labels. */
export interface CountedTrace {
  runKey: string
  /** Day on which it began. */
  day: string
  isNew: boolean
  /** Labels under which it was counted until now, and those under which it counts from now on. */
  before: ReadonlyMap<string, string>
  after: ReadonlyMap<string, string>
  /** What was added to its use since it was counted. */
  added: readonly DayUse[]
}

const times = (use: readonly DayUse[], sign: 1 | -1): DayUse[] =>
  use.map(({ day, usd, tokens, calls }) => ({ day, usd: sign * usd, tokens: sign * tokens, calls: sign * calls }))

/**
 * Counts what traces have used under their labels. A label that comes late counts earlier calls, too, and a label that has
 * changed takes them from its former value. Call it at the end of the transaction that holds the traces.
 */
export const countTraceUse = async (
  queries: Queries,
  collectionId: number,
  traces: readonly CountedTrace[],
): Promise<void> => {
  const isKept = ({ before, after }: CountedTrace, key: string) => before.get(key) === after.get(key)
  const changed = traces.filter((trace) => [...trace.after.keys()].some((key) => !isKept(trace, key)))
  const whole = changed.filter(({ isNew }) => !isNew).map(({ runKey }) => runKey)
  const stored = whole.length > 0 ? await readUse(queries, whole) : []
  const use = traces.flatMap((trace) => {
    const { runKey, day, isNew, before, after, added } = trace
    const all = isNew ? added : stored.filter((row) => row.run_id === runKey)
    const one = (key: string, value: string, runs: 1 | -1): LabelUse => ({
      ...{ key, value, day, usd: 0, tokens: 0, calls: 0, runs },
    })
    const rows = (key: string, value: string, of: readonly DayUse[]) =>
      of.map((row) => ({ key, value, ...row, runs: 0 }))
    return [...after].flatMap(([key, value]) => {
      if (isKept(trace, key)) return rows(key, value, added)
      const was = before.get(key)
      const left =
        was === undefined ? [] : [one(key, was, -1), ...rows(key, was, times(all, -1)), ...rows(key, was, added)]
      return [...left, one(key, value, 1), ...rows(key, value, times(all, 1))]
    })
  })
  if (use.length > 0) await addUse(queries, collectionId, use)
  if (changed.length > 0) await noteLabels(queries, changed)
}

const addRecordUse = change(
  'add_use_of_call_records',
  `with ${keepLabelDays(`(
    select $1::bigint as collection_id, u.key, u.value, (s.ended_at at time zone 'UTC')::date as day,
      (s.usage::json->>'cost_usd')::numeric as usd, (s.usage::json->>'total_tokens')::bigint as tokens,
      (s.usage is not null)::int as calls, 1 as runs
    from unnest($2::text[], $3::text[], $4::text[]) u(run_id, key, value) join steps s on s.run_id = u.run_id and s.seq = 0)`)} select`,
  (collectionId: number, labels: readonly { runId: string; key: string; value: string }[]) => [
    collectionId,
    ...listsOf(['runId', 'key', 'value'], labels),
  ],
)

/** Counts what records of gateway calls have used under labels that they got from the trace of their client. */
export const countRecordUse = async (
  queries: Queries,
  collectionId: number,
  labels: readonly { runId: string; key: string; value: string }[],
): Promise<void> => {
  if (labels.length > 0) await addRecordUse(queries, collectionId, labels)
}

/** Reads what a trace has used, by day. */
export const traceUse = (queries: Queries, runKey: string): Promise<DayUse[]> => readUse(queries, [runKey])

/** The use that remains where a part of it was counted before. */
export const moreUse = (now: readonly DayUse[], before: readonly DayUse[]): DayUse[] => [
  ...times(now, 1),
  ...times(before, -1),
]
