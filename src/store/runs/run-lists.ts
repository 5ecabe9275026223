import type { Queries } from '../../database/database.ts'
import { candidatesOfPage } from '../../model/runs/trajectory.ts'
import type { RunStatus } from '../../model/workflows/workflow.ts'
import { countRuns, initParamsText, type RunRow, runColumns, summaryColumns } from './runs.ts'
import { taskTotals } from './stats.ts'
import type { StepRecord } from './step-row.ts'

/** Filter of a list of runs; an omitted member does not restrict it. */
export interface RunFilter {
  /** The run's status must be one of these. */
  statuses: readonly RunStatus[]
  /** The run must have all of these, set by any author. */
  labels: readonly { key: string; value: string | undefined }[]
  routineId: number | undefined
  /** Text that the id, the error or the JSON of init_params contains (case-insensitive). */
  text: string | undefined
  createdAfterMs: number | undefined
  createdBeforeMs: number | undefined
}

export const noFilter: RunFilter = {
  statuses: [],
  labels: [],
  routineId: undefined,
  text: undefined,
  createdAfterMs: undefined,
  createdBeforeMs: undefined,
}

/** Position in a list: after the run with this creation time and number. */
export interface RunCursor {
  createdMicros: string
  number: number
}

/** A run without its possibly large values. */
export type RunSummaryRow = Omit<RunRow, 'init_params' | 'init_params_bytes'>
export type StepSummaryRow = Omit<StepRecord, 'inputs' | 'outputs' | 'changed'>

export interface ListedRuns<Row> {
  runs: Row[]
  /** Cursor of the next page; undefined at the end. */
  next: RunCursor | undefined
}

/** Parameters of a statement under construction. */
export interface Parameters {
  values: unknown[]
  /** Adds a value and returns its placeholder. */
  put(value: unknown, type: string): string
}

export const makeParameters = (): Parameters => {
  const values: unknown[] = []
  return {
    values,
    put(value, type) {
      values.push(value)
      return `$${values.length}::${type}`
    },
  }
}

/** Runs in index order, as rows (id, created_at, number), with the conditions that the index does not cover. */
export interface RunSource {
  /** SQL for the rows; `most` is an expression that limits their number. */
  select(conditions: string[], most?: string): string
  /** Further conditions on a row `r` of runs. */
  rest: string[]
}

export const newestFirst = 'order by created_at desc, number desc'

/** Conditions for which every index has the columns: page position and time range. */
const inOrder = (put: Parameters['put'], filter: RunFilter, after: RunCursor | undefined) => {
  const moment = (ms: number) => `to_timestamp(${put(ms / 1000, 'float8')})`
  const { createdAfterMs, createdBeforeMs } = filter
  const from = after && [put(after.createdMicros, 'bigint'), put(after.number, 'bigint')]
  const later = createdAfterMs === undefined ? undefined : moment(createdAfterMs)
  const earlier = createdBeforeMs === undefined ? undefined : moment(createdBeforeMs)
  return (created: string, number: string): string[] => [
    ...(from
      ? [`(${created}, ${number}) < (to_timestamp(0) + ${from[0]} * interval '1 microsecond', ${from[1]})`]
      : []),
    ...(later ? [`${created} > ${later}`] : []),
    ...(earlier ? [`${created} < ${earlier}`] : []),
  ]
}

/** Values of a key that are summed to estimate its frequency; a key with more counts as frequent. */
const mostValuesCounted = 1_000

/** Sorts the labels of a filter by frequency: the rarest leads the search. */
export const rarestFirst = async (
  queries: Queries,
  taskId: number,
  labels: RunFilter['labels'],
): Promise<RunFilter['labels']> => {
  if (labels.length < 2) return labels
  const rows = await queries.rows<{ at: number }>(
    'rarest_labels_first',
    `select u.at::int from unnest($2::text[], $3::text[]) with ordinality u(key, value, at)
     cross join lateral (
       select sum(total) as total, count(*) as counted from (
         (select total from label_counts c
          where u.value is not null and c.task_id = $1 and c.key = u.key and c.value_md5 = md5(u.value))
         union all
         (select total from label_counts c
          where u.value is null and c.task_id = $1 and c.key = u.key limit ${mostValuesCounted})) k) t
     order by t.counted = ${mostValuesCounted}, coalesce(t.total, 0), u.at`,
    [taskId, labels.map(({ key }) => key), labels.map(({ value }) => value ?? null)],
  )
  return rows.flatMap(({ at }) => labels[at - 1] ?? [])
}

const runsWhere = (where: string[]): string =>
  `select r.id, r.created_at, r.number from runs r where ${where.join(' and ')}`

/**
 * Chooses the most selective index for the runs of one task; the other conditions are checked run by run. `task` is an
 * SQL expression for its id.
 */
export const sourceOf = (
  { put }: Parameters,
  task: string,
  filter: RunFilter,
  after: RunCursor | undefined,
): RunSource => {
  const between = inOrder(put, filter, after)
  const [leading, ...others] = filter.labels
  const labels = others.map((label) => hasLabel(put, label))
  const routine = filter.routineId === undefined ? [] : [`r.routine_id = ${put(filter.routineId, 'bigint')}`]
  const statuses = filter.statuses.map((status) => put(status, 'text'))
  const anyStatus = statuses.length === 0 ? [] : [`r.status in (${statuses.join(', ')})`]
  const text = filter.text === undefined ? [] : [hasText(put, filter.text)]
  const runs = (where: string[]) => runsWhere([...where, ...between('r.created_at', 'r.number')])

  if (leading) {
    const value = leading.value === undefined ? undefined : put(leading.value, 'text')
    const where = [
      `l.task_id = ${task} and l.key = ${put(leading.key, 'text')}`,
      ...(value ? [`left(l.value, 200) = left(${value}, 200) and l.value = ${value}`] : []),
      ...between('l.run_created_at', 'l.run_number'),
    ]
    return {
      rest: [...labels, ...routine, ...anyStatus, ...text],
      // Several authors may have set the label: their rows are adjacent in the index.
      select: (conditions, most) =>
        `select distinct on (l.run_created_at, l.run_number)
           l.run_id as id, l.run_created_at as created_at, l.run_number as number
         from labels l ${conditions.length > 0 ? 'join runs r on r.id = l.run_id' : ''}
         where ${[...where, ...conditions].join(' and ')} order by l.run_created_at desc, l.run_number desc
         ${most === undefined ? '' : `limit ${most}`}`,
    }
  }
  if (routine.length > 0) {
    const where = [...routine, `r.task_id = ${task}`]
    return { rest: [...anyStatus, ...text], select: (conditions) => runs([...where, ...conditions]) }
  }
  if (statuses.length > 0) {
    // A union branch for each status, so that they are merged in index order.
    const branch = (status: string, conditions: string[], most: string | undefined) =>
      `(${runs([`r.task_id = ${task}`, `r.status = ${status}`, ...conditions])}
        ${most === undefined ? '' : `${newestFirst} limit ${most}`})`
    return {
      rest: text,
      select: (conditions, most) => statuses.map((status) => branch(status, conditions, most)).join(' union all '),
    }
  }
  return { rest: text, select: (conditions) => runs([`r.task_id = ${task}`, ...conditions]) }
}

/** Runs found by other conditions than the filter, which is then checked run by run. */
export const sourceAmong = (
  { put }: Parameters,
  where: string[],
  filter: RunFilter,
  after: RunCursor | undefined,
): RunSource => {
  const between = inOrder(put, filter, after)('r.created_at', 'r.number')
  const statuses = filter.statuses.map((status) => put(status, 'text'))
  const rest = [
    ...filter.labels.map((label) => hasLabel(put, label)),
    ...(statuses.length === 0 ? [] : [`r.status in (${statuses.join(', ')})`]),
    ...(filter.text === undefined ? [] : [hasText(put, filter.text)]),
  ]
  return { rest, select: (conditions) => runsWhere([...where, ...between, ...conditions]) }
}

const hasLabel = (put: Parameters['put'], label: RunFilter['labels'][number]): string =>
  `exists (select from labels o where o.run_id = r.id and o.key = ${put(label.key, 'text')}${
    label.value === undefined ? '' : ` and o.value = ${put(label.value, 'text')}`
  })`

/** Builds an `ilike` pattern that matches a text anywhere. */
export const anywhere = (text: string): string => `%${text.replace(/[\\%_]/g, '\\$&')}%`

/** Matches a text as it is, or as a JSON string spells it. */
const hasText = (put: Parameters['put'], text: string): string => {
  const pattern = (wanted: string) => put(anywhere(wanted), 'text')
  const plain = pattern(text)
  const escaped = JSON.stringify(text).slice(1, -1)
  const inJson = escaped === text ? '' : ` or ${initParamsText} ilike ${pattern(escaped)}`
  return `(r.trajectory_id ilike ${plain} or r.error ilike ${plain} or ${initParamsText} ilike ${plain}${inJson})`
}

const micros = (created: string): string => `(extract(epoch from ${created}) * 1000000)::bigint::text as created_micros`

const columnsOf = { full: runColumns, summary: summaryColumns }
/** Columns to read: the whole run, or what a list for people shows. */
export type RunView = keyof typeof columnsOf
export interface RunOf {
  full: RunRow
  summary: RunSummaryRow
}

const isEmpty = ({ statuses, labels, routineId, text, createdAfterMs, createdBeforeMs }: RunFilter): boolean =>
  statuses.length + labels.length === 0 &&
  [routineId, text, createdAfterMs, createdBeforeMs].every((one) => one === undefined)

/** Runs a query, prepared when it has a name. Texts with filters vary too much for that. */
const ask = <Row>(
  queries: Queries,
  name: string | undefined,
  text: string,
  values: unknown[],
): Promise<(Row & { created_micros: string })[]> =>
  name === undefined ? queries.query(text, values) : queries.rows(name, text, values)

/** Reads a page by number, with the total number of runs. */
export const pageOfRuns = async <View extends RunView>(
  queries: Queries,
  taskId: number,
  filter: RunFilter,
  page: { limit: number; offset: number; view: View },
): Promise<ListedRuns<RunOf[View]> & { total: number }> => {
  const parameters = makeParameters()
  const source = sourceOf(parameters, parameters.put(taskId, 'bigint'), filter, undefined)
  const limit = parameters.put(page.limit, 'int')
  const offset = parameters.put(page.offset, 'bigint')
  const [total, rows] = await Promise.all([
    countOfRuns(queries, taskId, filter),
    ask<RunOf[View]>(
      queries,
      isEmpty(filter) ? `list_runs_${page.view}` : undefined,
      `select ${columnsOf[page.view]}, ${micros('r.created_at')} from (
         select * from (${source.select(source.rest, `${limit} + ${offset}`)}) w
         ${newestFirst} limit ${limit} offset ${offset}) k
       join runs r on r.id = k.id order by r.created_at desc, r.number desc`,
      parameters.values,
    ),
  ])
  const last = rows.at(-1)
  const more = page.offset + page.limit < total && last
  return { runs: rows, total, next: more ? { createdMicros: last.created_micros, number: last.number } : undefined }
}

/** Counts runs exactly, from the maintained counters where they suffice. */
const countOfRuns = async (queries: Queries, taskId: number, filter: RunFilter): Promise<number> => {
  if (isEmpty(filter)) return countRuns(queries, taskId)
  if (isEmpty({ ...filter, statuses: [] })) {
    const { byStatus } = await taskTotals(queries, taskId)
    return filter.statuses.reduce((sum, status) => sum + (byStatus[status] ?? 0), 0)
  }
  const parameters = makeParameters()
  const source = sourceOf(parameters, parameters.put(taskId, 'bigint'), filter, undefined)
  const counting = `select count(*) as total from (${source.select(source.rest)}) c`
  const [row] = await queries.query<{ total: number }>(counting, parameters.values)
  return row?.total ?? 0
}

/** Reads the runs after a cursor, or from the start. */
export const runsAfter = async <View extends RunView>(
  queries: Queries,
  taskId: number,
  filter: RunFilter,
  page: { limit: number; after: RunCursor | undefined; view: View },
): Promise<ListedRuns<RunOf[View]>> => {
  const parameters = makeParameters()
  const source = sourceOf(parameters, parameters.put(taskId, 'bigint'), filter, page.after)
  const name = `list_runs_${page.view}_${page.after ? 'after' : 'begin'}`
  const columns = columnsOf[page.view]
  return runsOfSource(queries, parameters, source, {
    limit: page.limit,
    columns,
    name: isEmpty(filter) ? name : undefined,
  })
}

/**
 * Reads the first runs of a source. When its index does not cover all conditions, at most `candidatesOfPage` runs are
 * examined: the page may then have fewer than `limit` runs, or none, and the list continues after the last one
 * examined. `name` is for a text that never varies.
 */
export const runsOfSource = async <Row>(
  queries: Queries,
  parameters: Parameters,
  { select, rest }: RunSource,
  page: { limit: number; columns: string; name: string | undefined },
): Promise<ListedRuns<Row>> => {
  const wanted = parameters.put(page.limit + 1, 'int')
  const most = rest.length === 0 ? wanted : String(candidatesOfPage)
  const candidates = `select * from (${select([], most)}) s ${newestFirst} limit`
  // Looks up candidates one by one, so that it ends with the page.
  const fitting =
    rest.length === 0
      ? ''
      : `cross join lateral (select from runs r where r.id = w.id and ${rest.join(' and ')} offset 0) f`
  const end =
    rest.length === 0
      ? ''
      : `union all
         select null, e.created_at, e.number from (${candidates} 1 offset ${candidatesOfPage - 1}) e
         where (select count(*) from found) < ${wanted}`
  const rows = await ask<Row & { fits: boolean; place: number }>(
    queries,
    page.name,
    `with found as materialized (
       select w.id, w.created_at, w.number
       from (${candidates} ${most}) w ${fitting}
       order by w.created_at desc, w.number desc limit ${wanted})
     select ${page.columns}, ${micros('k.created_at')}, k.number as place, k.id is not null as fits
     from (select id, created_at, number from found ${end}) k
     left join runs r on r.id = k.id order by k.created_at desc, k.number desc, k.id nulls last`,
    parameters.values,
  )
  const found = rows.filter((row) => row.fits)
  const runs = found.slice(0, page.limit)
  const last = found.length > page.limit ? runs.at(-1) : rows.find((row) => !row.fits)
  return { runs, next: last && { createdMicros: last.created_micros, number: last.place } }
}

/** Reads the steps of several runs in order, without large values. */
export const stepSummariesOf = (queries: Queries, runKeys: string[]): Promise<StepSummaryRow[]> =>
  queries.rows<StepSummaryRow>(
    'step_summaries_of',
    `select s.run_id, s.seq, s.name, s.status, s.attempt, s.error, s.origin, s.usage, s.started_at, s.wake_at, s.ended_at,
       case when s.attempt > 1 then s.warnings end as warnings
     from steps s where s.run_id = any($1::text[]) order by s.run_id, s.seq`,
    [runKeys],
  )
