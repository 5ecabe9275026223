import type { Queries } from '../../database/database.ts'
import { asGiven, int, query } from '../../database/table.ts'
import { checksOf, hasLabel, hasText, indexedStatuses, type Parameters, type RunFilter } from './run-filter.ts'
import { afterCursor, hasPlace, newest, placeOf, type RunCursor, type RunOrder, sorted } from './run-order.ts'

/** Runs in index order, as rows (id, place, number), with the conditions that the index does not cover. */
export interface IndexedRuns {
  /** SQL for the rows; `most` is an expression that limits their number. */
  select(conditions: string[], most?: string): string
  /** Further conditions on a row `r` of runs that cost one look into an index each. */
  checks: string[]
  /** Further conditions on a row `r` of runs that may read much of the run. */
  rest: string[]
  order: RunOrder
}

/** Conditions on when a run was created, and whether it comes after the cursor: every index by creation has the columns. */
const inOrder = (parameters: Parameters, filter: RunFilter, order: RunOrder, after: RunCursor | undefined) => {
  const between = createdBetween(parameters, filter)
  const isAfter = after && afterCursor(parameters, order, after)
  return (created: string, number: string): string[] => [
    ...(isAfter ? [isAfter(created, number)] : []),
    ...between(created),
  ]
}

const createdBetween = ({ put }: Parameters, { createdAfterMs, createdBeforeMs }: RunFilter) => {
  const moment = (ms: number) => `to_timestamp(${put(ms / 1000, 'float8')})`
  const later = createdAfterMs === undefined ? undefined : moment(createdAfterMs)
  const earlier = createdBeforeMs === undefined ? undefined : moment(createdBeforeMs)
  return (created: string): string[] => [
    ...(later ? [`${created} > ${later}`] : []),
    ...(earlier ? [`${created} < ${earlier}`] : []),
  ]
}

/** Values of a key that are summed to estimate its frequency; a key with more counts as frequent. */
const mostValuesCounted = 1_000

const rarestLabelsFirst = query(
  'rarest_labels_first',
  { at: int },
  `select u.at::int from unnest($2::text[], $3::text[]) with ordinality u(key, value, at)
     cross join lateral (
       select sum(total) as total, count(*) as counted from (
         (select total from label_counts c
          where u.value is not null and c.task_id = $1 and c.key = u.key and c.value_md5 = md5(u.value))
         union all
         (select total from label_counts c
          where u.value is null and c.task_id = $1 and c.key = u.key limit ${mostValuesCounted})) k) t
     order by t.counted = ${mostValuesCounted}, coalesce(t.total, 0), u.at`,
  asGiven,
)

/** Sorts the labels of a filter by frequency: the rarest leads the search. */
export const rarestFirst = async (
  queries: Queries,
  taskId: number,
  labels: RunFilter['labels'],
): Promise<RunFilter['labels']> => {
  if (labels.length < 2) return labels
  const rows = await rarestLabelsFirst(
    queries,
    taskId,
    labels.map(({ key }) => key),
    labels.map(({ value }) => value ?? null),
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

const runsWhere = (order: RunOrder, where: string[]): string =>
  `select r.id, ${placeOf(order)} as place, r.number from runs r where ${where.join(' and ')}`

/**
 * Chooses the most selective index for the runs of one task; the other conditions are checked run by run. `task` is an
 * SQL expression for its id.
 */
export const sourceOf = (
  parameters: Parameters,
  task: string,
  filter: RunFilter,
  after: RunCursor | undefined,
  order = newest,
): IndexedRuns => {
  const { put } = parameters
  const between = inOrder(parameters, filter, order, after)
  const checks = checksBeside(parameters, filter)
  const [leading, ...others] = filter.labels
  const labels = others.map((label) => hasLabel(put, label))
  const routine = filter.routineId === undefined ? [] : [`r.routine_id = ${put(filter.routineId, 'bigint')}`]
  const statuses = indexedStatuses(filter).map((status) => put(status, 'text'))
  const anyStatus = statuses.length === 0 ? [] : [`r.status in (${statuses.join(', ')})`]
  const text = filter.text === undefined ? [] : [hasText(put, filter.text)]
  const runs = (where: string[]) => runsWhere(order, [...where, ...between('r.created_at', 'r.number')])

  if (leading) {
    const value = leading.value === undefined ? undefined : put(leading.value, 'text')
    const where = [
      `l.task_id = ${task} and l.key = ${put(leading.key, 'text')}`,
      ...(value ? [`left(l.value, 200) = left(${value}, 200) and l.value = ${value}`] : []),
      ...between('l.run_created_at', 'l.run_number'),
    ]
    return {
      order,
      checks,
      rest: [...labels, ...routine, ...anyStatus, ...text],
      // Several authors may have set the label: their rows are adjacent in the index.
      select: (conditions, most) =>
        `select distinct on (place, number) l.run_id as id, l.run_created_at as place, l.run_number as number
         from labels l ${conditions.length > 0 ? 'join runs r on r.id = l.run_id' : ''}
         where ${[...where, ...conditions].join(' and ')} ${sorted(order)}
         ${most === undefined ? '' : `limit ${most}`}`,
    }
  }
  if (routine.length > 0) {
    const where = [...routine, `r.task_id = ${task}`]
    return { order, checks, rest: [...anyStatus, ...text], select: (conditions) => runs([...where, ...conditions]) }
  }
  if (statuses.length > 0) {
    return {
      order,
      checks,
      rest: text,
      select: merged(
        order,
        statuses.map((status) => (conditions) => runs([`r.task_id = ${task}`, `r.status = ${status}`, ...conditions])),
      ),
    }
  }
  const where = [`r.task_id = ${task}`, ...(leadsTopLevel(filter) ? ['r.parent_id is null'] : [])]
  return { order, checks, rest: text, select: (conditions) => runs([...where, ...conditions]) }
}

/** A union branch for each part, so that they are merged in index order. */
const merged =
  (order: RunOrder, parts: ((conditions: string[]) => string)[]): IndexedRuns['select'] =>
  (conditions, most) =>
    parts
      .map((part) => `(${part(conditions)} ${most === undefined ? '' : `${sorted(order)} limit ${most}`})`)
      .join(' union all ')

/** All conditions of a filter but the time of creation and the routine, where the index decides none of them. */
const conditionsOf = (parameters: Parameters, filter: RunFilter): Pick<IndexedRuns, 'checks' | 'rest'> => {
  const { put } = parameters
  const statuses = indexedStatuses(filter).map((status) => put(status, 'text'))
  return {
    checks: [
      ...checksOf(parameters, filter),
      ...filter.labels.map((label) => hasLabel(put, label)),
      ...(statuses.length === 0 ? [] : [`r.status in (${statuses.join(', ')})`]),
    ],
    rest: filter.text === undefined ? [] : [hasText(put, filter.text)],
  }
}

/**
 * The runs of one task in an order of which top-level runs and child runs have an index. It decides no other member of
 * the filter. `within` are bounds of the place of a run.
 */
export const sourceInOrder = (
  parameters: Parameters,
  task: string,
  filter: RunFilter,
  after: RunCursor | undefined,
  order: RunOrder,
  within: string[],
): IndexedRuns => {
  const { put } = parameters
  const { checks, rest } = conditionsOf(parameters, { ...filter, topLevel: false })
  const isAfter = after ? [afterCursor(parameters, order, after)(placeOf(order), 'r.number')] : []
  const where = [`r.task_id = ${task}`, ...hasPlace(order), ...within, ...isAfter]
  const parents = filter.topLevel ? [0] : [0, 1]
  const routine = filter.routineId === undefined ? [] : [`r.routine_id = ${put(filter.routineId, 'bigint')}`]
  return {
    order,
    checks: [...checks, ...routine, ...createdBetween(parameters, filter)('r.created_at')],
    rest,
    select: merged(
      order,
      parents.map(
        (count) => (conditions) => runsWhere(order, [...where, `num_nonnulls(r.parent_id) = ${count}`, ...conditions]),
      ),
    ),
  }
}

/** Runs found by other conditions than the filter, which is then checked run by run. */
export const sourceAmong = (
  parameters: Parameters,
  where: string[],
  filter: RunFilter,
  after: RunCursor | undefined,
  order: RunOrder,
): IndexedRuns => {
  const isAfter = after ? [afterCursor(parameters, order, after)(placeOf(order), 'r.number')] : []
  const found = [...where, ...hasPlace(order), ...createdBetween(parameters, filter)('r.created_at'), ...isAfter]
  return {
    order,
    ...conditionsOf(parameters, filter),
    select: (conditions) => runsWhere(order, [...found, ...conditions]),
  }
}

/** Runs from which a page is read. */
export interface RunSource {
  /** SQL for the first `most` rows (id, place, number). */
  select(most: string): string
  /** A row without an id marks where the search stopped before it had `most` rows. */
  hasMarks: boolean
  /** Conditions on a row `r` of runs that are still to be checked. */
  rest: string[]
  order: RunOrder
}

/** Runs that the checks of a page examine at most. */
const mostChecked = 10_000
/** Runs of each task that they examine at least, however many tasks share the bound. */
const leastChecked = 1_000

/**
 * Applies the checks of indexed runs. The search examines a bounded number of runs, shared by `lists` sources, and marks
 * the last one of these when it found too few.
 */
export const sourceFrom = ({ put }: Parameters, { select, checks, rest, order }: IndexedRuns, lists = 1): RunSource => {
  if (checks.length === 0) return { rest, order, hasMarks: false, select: (most) => select([], most) }
  const examined = put(Math.max(leastChecked, Math.ceil(mostChecked / Math.max(1, lists))), 'int')
  const candidates = `select * from (${select([], examined)}) s ${sorted(order)}`
  return {
    rest,
    order,
    hasMarks: true,
    select: (most) => `with passed as materialized (
        select w.id, w.place, w.number from (${candidates} limit ${examined}) w
        cross join lateral (select from runs r where r.id = w.id and ${checks.join(' and ')} offset 0) c
        ${sorted(order, 'w.')} limit ${most})
      select id, place, number from passed
      union all
      select null, e.place, e.number from (${candidates} limit 1 offset ${examined} - 1) e
      where (select count(*) from passed) < ${most}`,
  }
}
