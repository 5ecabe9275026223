import { candidatesOfPage } from '../../model/runs/trajectory.ts'
import type { Queries } from '../database/database.ts'
import { query, type Row } from '../database/table.ts'
import {
  indexedStatuses,
  makeParameters,
  type Parameters,
  type RunFilter,
  restrictsNothing,
} from './lists/run-filter.ts'
import { comesAfter, newest, placeText, type RunCursor, sorted } from './lists/run-order.ts'
import { type RunSource, sourceFrom, sourceOf } from './lists/run-sources.ts'
import { countRuns, type RunRow, runColumns, summaryColumns } from './runs.ts'
import { taskTotals } from './stats.ts'
import { steps } from './step-row.ts'

/** A run without its possibly large values. */
export type RunSummaryRow = Omit<RunRow, 'init_params' | 'init_params_bytes'>
const { inputs: _inputs, outputs: _outputs, changed: _changed, ...stepSummary } = steps.columns
export type StepSummaryRow = Row<typeof stepSummary>

export interface ListedRuns<Row> {
  runs: Row[]
  /** Cursor of the next page; undefined at the end. */
  next: RunCursor | undefined
}

const columnsOf = { full: runColumns, summary: summaryColumns }
/** Columns to read: the whole run, or what a list for people shows. */
export type RunView = keyof typeof columnsOf
export interface RunOf {
  full: RunRow
  summary: RunSummaryRow
}

/** Runs a query, prepared when it has a name. Texts with filters vary too much for that. */
const ask = <Row>(
  queries: Queries,
  name: string | undefined,
  text: string,
  values: unknown[],
): Promise<(Row & { cursor_place: string })[]> =>
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
      restrictsNothing(filter) ? `list_runs_${page.view}` : undefined,
      `select ${columnsOf[page.view]}, ${placeText(newest, 'r.created_at')} as cursor_place from (
         select * from (${source.select([...source.checks, ...source.rest], `${limit} + ${offset}`)}) w
         ${sorted(newest)} limit ${limit} offset ${offset}) k
       join runs r on r.id = k.id order by r.created_at desc, r.number desc`,
      parameters.values,
    ),
  ])
  const last = rows.at(-1)
  const more = page.offset + page.limit < total && last
  return { runs: rows, total, next: more ? { place: last.cursor_place, number: last.number } : undefined }
}

/** Counts runs exactly, from the maintained counters where they suffice. */
const countOfRuns = async (queries: Queries, taskId: number, filter: RunFilter): Promise<number> => {
  if (restrictsNothing(filter)) return countRuns(queries, taskId)
  if (restrictsNothing({ ...filter, statuses: [], statusesNot: [] })) {
    const { byStatus } = await taskTotals(queries, taskId)
    return indexedStatuses(filter).reduce((sum, status) => sum + (byStatus[status] ?? 0), 0)
  }
  const parameters = makeParameters()
  const source = sourceOf(parameters, parameters.put(taskId, 'bigint'), filter, undefined)
  const counting = `select count(*) as total from (${source.select([...source.checks, ...source.rest])}) c`
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
  const indexed = sourceOf(parameters, parameters.put(taskId, 'bigint'), filter, page.after)
  const name = `list_runs_${page.view}_${page.after ? 'after' : 'begin'}`
  const columns = columnsOf[page.view]
  return runsOfSource(queries, parameters, sourceFrom(parameters, indexed), {
    limit: page.limit,
    columns,
    name: restrictsNothing(filter) ? name : undefined,
  })
}

/**
 * Reads the first runs of a source. When its index does not cover all conditions, a bounded number of runs is examined:
 * the page may then have fewer than `limit` runs, or none, and the list continues after the last one examined. `name`
 * is the name of a prepared statement whose text never varies.
 */
export const runsOfSource = async <Row>(
  queries: Queries,
  parameters: Parameters,
  { select, hasMarks, rest, order }: RunSource,
  page: { limit: number; columns: string; name: string | undefined },
): Promise<ListedRuns<Row>> => {
  const wanted = parameters.put(page.limit + 1, 'int')
  const most = rest.length === 0 ? wanted : String(candidatesOfPage)
  const source = select(most)
  const { before, rows: inReach, ends } = hasMarks ? upToMark(source, order) : { before: '', rows: source, ends: [] }
  const candidates = `select * from (${inReach}) s ${sorted(order)} limit`
  // Looks up candidates one by one, so that it ends with the page.
  const fitting =
    rest.length === 0
      ? ''
      : `cross join lateral (select from runs r where r.id = w.id and ${rest.join(' and ')} offset 0) f`
  if (rest.length > 0) ends.push(`select * from (${candidates} 1 offset ${candidatesOfPage - 1}) s`)
  const stopped = ends.map((one) => `select e.place, e.number from (${one}) e`).join(' union all ')
  const end =
    ends.length === 0
      ? ''
      : `union all
         select null, e.place, e.number from (${stopped}) e where (select count(*) from found) < ${wanted}`
  const rows = await ask<Row & { fits: boolean; at: number }>(
    queries,
    page.name,
    `with ${before} found as materialized (
       select w.id, w.place, w.number
       from (${candidates} ${most}) w ${fitting}
       ${sorted(order, 'w.')} limit ${wanted})
     select ${page.columns}, ${placeText(order, 'k.place')} as cursor_place, k.number as at, k.id is not null as fits
     from (select id, place, number from found ${end}) k
     left join runs r on r.id = k.id ${sorted(order, 'k.')}, k.id nulls last`,
    parameters.values,
  )
  const found = rows.filter((row) => row.fits)
  const runs = found.slice(0, page.limit)
  const last = found.length > page.limit ? runs.at(-1) : rows.find((row) => !row.fits)
  return { runs, next: last && { place: last.cursor_place, number: last.at } }
}

/**
 * SQL for the rows of a source up to its first mark: a mark is the place at which the search in a task has stopped.
 */
const upToMark = (source: string, order: RunSource['order']): { before: string; rows: string; ends: string[] } => ({
  before: `searched as materialized (${source}),
     stop as materialized (select place, number from searched where id is null ${sorted(order)} limit 1),`,
  rows: `select c.id, c.place, c.number from searched c where c.id is not null
     and not exists (select from stop where (c.place, c.number) ${comesAfter(order)} (stop.place, stop.number))`,
  ends: ['select place, number from stop'],
})

/** Reads the steps of several runs in order, without large values. */
export const stepSummariesOf = query(
  'step_summaries_of',
  stepSummary,
  `select s.run_id, s.seq, s.name, s.status, s.attempt, s.error, s.origin, s.usage, s.span, s.started_at, s.wake_at, s.ended_at,
       case when s.attempt > 1 then s.warnings end as warnings
     from steps s where s.run_id = any($1::text[]) order by s.run_id, s.seq`,
  (runKeys: string[]) => [runKeys],
)
