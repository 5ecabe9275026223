import type { Queries } from '../../../database/database.ts'
import {
  checksOf,
  hasLabel,
  hasText,
  indexedStatuses,
  makeParameters,
  type Parameters,
  type RunCursor,
  type RunFilter,
} from './run-filter.ts'

/** Runs in index order, as rows (id, created_at, number), with the conditions that the index does not cover. */
interface IndexedRuns {
  /** SQL for the rows; `most` is an expression that limits their number. */
  select(conditions: string[], most?: string): string
  /** Further conditions on a row `r` of runs that cost one look into an index each. */
  checks: string[]
  /** Further conditions on a row `r` of runs that may read much of the run. */
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

/** Whether the index of top-level runs leads the search: where no rarer label, routine or status does. */
const leadsTopLevel = (filter: RunFilter): boolean =>
  filter.topLevel &&
  filter.labels.length === 0 &&
  filter.routineId === undefined &&
  indexedStatuses(filter).length === 0

/** The conditions of `checksOf` that the index does not decide. */
const checksBeside = (parameters: Parameters, filter: RunFilter): string[] =>
  checksOf(parameters, leadsTopLevel(filter) ? { ...filter, topLevel: false } : filter)

/** Whether every page of a list examines runs one by one. */
export const hasChecks = (filter: RunFilter): boolean => checksBeside(makeParameters(), filter).length > 0

const runsWhere = (where: string[]): string =>
  `select r.id, r.created_at, r.number from runs r where ${where.join(' and ')}`

/**
 * Chooses the most selective index for the runs of one task; the other conditions are checked run by run. `task` is an
 * SQL expression for its id.
 */
export const sourceOf = (
  parameters: Parameters,
  task: string,
  filter: RunFilter,
  after: RunCursor | undefined,
): IndexedRuns => {
  const { put } = parameters
  const between = inOrder(put, filter, after)
  const checks = checksBeside(parameters, filter)
  const [leading, ...others] = filter.labels
  const labels = others.map((label) => hasLabel(put, label))
  const routine = filter.routineId === undefined ? [] : [`r.routine_id = ${put(filter.routineId, 'bigint')}`]
  const statuses = indexedStatuses(filter).map((status) => put(status, 'text'))
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
      checks,
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
    return { checks, rest: [...anyStatus, ...text], select: (conditions) => runs([...where, ...conditions]) }
  }
  if (statuses.length > 0) {
    // A union branch for each status, so that they are merged in index order.
    const branch = (status: string, conditions: string[], most: string | undefined) =>
      `(${runs([`r.task_id = ${task}`, `r.status = ${status}`, ...conditions])}
        ${most === undefined ? '' : `${newestFirst} limit ${most}`})`
    return {
      checks,
      rest: text,
      select: (conditions, most) => statuses.map((status) => branch(status, conditions, most)).join(' union all '),
    }
  }
  const where = [`r.task_id = ${task}`, ...(leadsTopLevel(filter) ? ['r.parent_id is null'] : [])]
  return { checks, rest: text, select: (conditions) => runs([...where, ...conditions]) }
}

/** Runs found by other conditions than the filter, which is then checked run by run. */
export const sourceAmong = (
  parameters: Parameters,
  where: string[],
  filter: RunFilter,
  after: RunCursor | undefined,
): IndexedRuns => {
  const { put } = parameters
  const between = inOrder(put, filter, after)('r.created_at', 'r.number')
  const statuses = indexedStatuses(filter).map((status) => put(status, 'text'))
  const rest = [
    ...filter.labels.map((label) => hasLabel(put, label)),
    ...(statuses.length === 0 ? [] : [`r.status in (${statuses.join(', ')})`]),
    ...(filter.text === undefined ? [] : [hasText(put, filter.text)]),
  ]
  return {
    checks: checksOf(parameters, filter),
    rest,
    select: (conditions) => runsWhere([...where, ...between, ...conditions]),
  }
}

/** Runs from which a page is read. */
export interface RunSource {
  /** SQL for the newest `most` rows (id, created_at, number). */
  select(most: string): string
  /** A row without an id marks where the search stopped before it had `most` rows. */
  hasMarks: boolean
  /** Conditions on a row `r` of runs that are still to be checked. */
  rest: string[]
}

/** Runs that the checks of a page examine at most. */
const mostChecked = 10_000
/** Runs of each task that they examine at least, however many tasks share the bound. */
const leastChecked = 1_000

/**
 * Applies the checks of indexed runs. The search examines a bounded number of runs, shared by `lists` sources, and marks
 * the last one of these when it found too few.
 */
export const sourceFrom = ({ put }: Parameters, { select, checks, rest }: IndexedRuns, lists = 1): RunSource => {
  if (checks.length === 0) return { rest, hasMarks: false, select: (most) => select([], most) }
  const examined = put(Math.max(leastChecked, Math.ceil(mostChecked / Math.max(1, lists))), 'int')
  const candidates = `select * from (${select([], examined)}) s ${newestFirst}`
  return {
    rest,
    hasMarks: true,
    select: (most) => `with passed as materialized (
        select w.id, w.created_at, w.number from (${candidates} limit ${examined}) w
        cross join lateral (select from runs r where r.id = w.id and ${checks.join(' and ')} offset 0) c
        order by w.created_at desc, w.number desc limit ${most})
      select id, created_at, number from passed
      union all
      select null, e.created_at, e.number from (${candidates} limit 1 offset ${examined} - 1) e
      where (select count(*) from passed) < ${most}`,
  }
}
