import type { OutsideWait } from '../../model/runs/run-lists.ts'
import type { Queries } from '../database/database.ts'
import { change, moment, namesOf, orNull, pick, query, queryOne, type Row, text, valuesOf } from '../database/table.ts'
import {
  anywhere,
  makeParameters,
  noFilter,
  type Parameters,
  type RunFilter,
  restrictsNothing,
} from './lists/run-filter.ts'
import { hasDuration, newest, type RunCursor, type RunOrder, runMilliseconds, sorted } from './lists/run-order.ts'
import { type ListRow, listColumns, listRun, runCost, stepTexts } from './lists/run-row.ts'
import {
  type IndexedRuns,
  type RunSource,
  sourceAmong,
  sourceFrom,
  sourceInOrder,
  sourceOf,
} from './lists/run-sources.ts'
import { type ListedRuns, runsOfSource } from './run-lists.ts'
import { runs } from './runs.ts'

/** Filter of a list of runs over a collection; an omitted member does not restrict it. */
export interface CollectionRunFilter extends RunFilter {
  /** Ids of tasks, of which the run's task must be one. */
  taskIds: readonly number[] | undefined
  /** Ids of tasks, of which the run's task must be none. */
  taskIdsNot: readonly number[]
  /** Internal key of the parent run, for lists of its children. */
  parentKey: string | undefined
  /** Model requested by, or answering in, a step of the run. */
  model: string | undefined
  /** Bounds in US dollars; a run of unknown cost matches neither. */
  minCostUsd: number | undefined
  maxCostUsd: number | undefined
  /** Bounds in seconds; a run that has not ended matches neither. */
  minSeconds: number | undefined
  maxSeconds: number | undefined
  /** The run is open and waits for one of these. */
  waitingFor: readonly OutsideWait[]
  /** Text that the error contains (case-insensitive). */
  error: string | undefined
}

export const noCollectionFilter: CollectionRunFilter = {
  ...noFilter,
  taskIds: undefined,
  taskIdsNot: [],
  parentKey: undefined,
  model: undefined,
  minCostUsd: undefined,
  maxCostUsd: undefined,
  minSeconds: undefined,
  maxSeconds: undefined,
  waitingFor: [],
  error: undefined,
}

/** SQL conditions: a value is within bounds, either of which may be missing. Bounds of another type use no index. */
const within = ({ put }: Parameters, value: string, type: string, bounds: (number | undefined)[]): string[] =>
  bounds.flatMap((bound, at) => (bound === undefined ? [] : [`${value} ${at === 0 ? '>=' : '<='} ${put(bound, type)}`]))

const withinSeconds = (parameters: Parameters, { minSeconds, maxSeconds }: CollectionRunFilter): string[] => {
  const bounds = [minSeconds, maxSeconds].map((one) => (one === undefined ? undefined : Math.round(one * 1000)))
  return within(parameters, runMilliseconds, 'bigint', bounds)
}

const withinUsd = (parameters: Parameters, cost: string, { minCostUsd, maxCostUsd }: CollectionRunFilter): string[] =>
  within(parameters, cost, 'float8', [minCostUsd, maxCostUsd])

/** Bounds of the place of a run in the order of its list, which the index of the order decides. */
const boundsOfPlace = (parameters: Parameters, filter: CollectionRunFilter, { by }: RunOrder): string[] => {
  if (by === 'cost') return withinUsd(parameters, 'r.cost_usd', filter)
  return by === 'duration' ? withinSeconds(parameters, filter) : []
}

/** Adds the conditions that only lists of collections have. */
const withMore = (
  parameters: Parameters,
  filter: CollectionRunFilter,
  { checks, rest, ...found }: IndexedRuns,
): IndexedRuns => {
  const { model, error } = filter
  const { put } = parameters
  const { by } = found.order
  const duration = by === 'duration' ? [] : withinSeconds(parameters, filter)
  const named = model === undefined ? undefined : put(`"model":${JSON.stringify(model)}`, 'text')
  return {
    ...found,
    checks: [
      ...checks,
      ...(by === 'cost' ? [] : withinUsd(parameters, runCost, filter)),
      ...(duration.length === 0 ? [] : [hasDuration, ...duration]),
      ...(error === undefined ? [] : [`r.error ilike ${put(anywhere(error), 'text')}`]),
    ],
    rest: [
      ...rest,
      ...(named
        ? [
            `exists (select from ${stepTexts} t where position(${named} in t.inputs) > 0 or position(${named} in t.outputs) > 0)`,
          ]
        : []),
    ],
  }
}

/** SQL query for the ids of the tasks whose runs a list has. */
const tasksOf = ({ put }: Parameters, collectionId: number, { taskIds, taskIdsNot }: CollectionRunFilter): string => {
  if (taskIds)
    return `select unnest(${put(
      taskIds.filter((id) => !taskIdsNot.includes(id)),
      'bigint[]',
    )}) as id`
  const collection = put(collectionId, 'bigint')
  const all = `select id from tasks where collection_id = ${collection}
   union all select task_id from former_tasks where collection_id = ${collection}`
  return taskIdsNot.length === 0 ? all : `select id from (${all}) a where id <> all(${put(taskIdsNot, 'bigint[]')})`
}

/** SQL queries for the keys of the runs of a collection that wait. Few wait at any time, so they lead the search. */
const waitingRuns = {
  approval: (collection: string) =>
    `select run_id from approvals where collection_id = ${collection} and decision is null`,
  event: (collection: string) =>
    `select run_id from event_waits where collection_id = ${collection} and outcome is null`,
}

/** The runs of a routine, the children of a run, or those that wait, each in an index; undefined for other lists. */
const sourceOfKin = (
  parameters: Parameters,
  collectionId: number,
  filter: CollectionRunFilter,
  { after, order }: ListPosition,
): RunSource | undefined => {
  const { parentKey, routineId, waitingFor } = filter
  if (parentKey === undefined && routineId === undefined && waitingFor.length === 0) return undefined
  const { put } = parameters
  const collection = put(collectionId, 'bigint')
  const waiting = waitingFor.map((one) => waitingRuns[one](collection)).join(' union all ')
  const kin = [
    ...(waiting === '' ? [] : [`r.id = any(array(${waiting})) and r.ended_at is null`]),
    ...(parentKey === undefined ? [] : [`r.parent_id = ${put(parentKey, 'text')}`]),
    ...(routineId === undefined ? [] : [`r.routine_id = ${put(routineId, 'bigint')}`]),
  ]
  const ofTasks = [
    ...(filter.taskIds ? [`r.task_id = any(${put(filter.taskIds, 'bigint[]')})`] : []),
    ...(filter.taskIdsNot.length > 0 ? [`r.task_id <> all(${put(filter.taskIdsNot, 'bigint[]')})`] : []),
  ]
  const bounds = boundsOfPlace(parameters, filter, order)
  const where = [...kin, ...ofTasks, ...bounds, `r.collection_id = ${collection}`]
  return sourceFrom(parameters, withMore(parameters, filter, sourceAmong(parameters, where, filter, after, order)))
}

const runsOfTask = (
  parameters: Parameters,
  filter: CollectionRunFilter,
  { after, order }: ListPosition,
): IndexedRuns => {
  const found =
    order.by === 'created'
      ? sourceOf(parameters, 't.id', filter, after, order)
      : sourceInOrder(parameters, 't.id', filter, after, order, boundsOfPlace(parameters, filter, order))
  return withMore(parameters, filter, found)
}

/** Counts the tasks among which a list divides the runs it may check; 1 where it checks none. */
const countLists = async (
  queries: Queries,
  collectionId: number,
  filter: CollectionRunFilter,
  position: ListPosition,
): Promise<number> => {
  if (runsOfTask(makeParameters(), filter, position).checks.length === 0) return 1
  const parameters = makeParameters()
  const counting = `select count(*) as total from (${tasksOf(parameters, collectionId, filter)}) t`
  const [row] = await queries.query<{ total: number }>(counting, parameters.values)
  return row?.total ?? 1
}

/**
 * Merges the first runs of each task: no index has all runs of a collection in order, since every run would pay for it.
 */
const sourceOfTasks = (
  parameters: Parameters,
  collectionId: number,
  filter: CollectionRunFilter,
  position: ListPosition,
  lists: number,
): RunSource => {
  const tasks = tasksOf(parameters, collectionId, filter)
  const { select, hasMarks, rest, order } = sourceFrom(parameters, runsOfTask(parameters, filter, position), lists)
  return {
    order,
    hasMarks,
    rest,
    select: (most) =>
      `select k.id, k.place, k.number from (${tasks}) t cross join lateral (
         select * from (${select(most)}) i ${hasMarks ? '' : `${sorted(order)} limit ${most}`}) k`,
  }
}

interface ListPosition {
  after: RunCursor | undefined
  order: RunOrder
}

interface CollectionPage extends ListPosition {
  limit: number
}

/** A run as an action on many runs needs it; `name` is `collection/task`. */
const chosenRun = pick(runs.columns, ['id', 'trajectory_id', 'name'])
export type ChosenRun = Row<typeof chosenRun>
const chosenColumns = namesOf(chosenRun, 'r')

/** Lists runs of all tasks of a collection in an order, from the start or after a cursor; see `runsOfSource`. */
export const collectionRunsAfter = (
  queries: Queries,
  collectionId: number,
  filter: CollectionRunFilter,
  page: CollectionPage,
): Promise<ListedRuns<ListRow>> => {
  const name = `list_collection_runs_${page.after ? 'after' : 'begin'}`
  return readPage(queries, collectionId, filter, { ...page, columns: listColumns, name })
}

/** Lists runs as `collectionRunsAfter` does, and goes on looking for `searchMs` where a page is not full. */
export const searchRuns = async (
  queries: Queries,
  collectionId: number,
  filter: CollectionRunFilter,
  { limit, after, order, searchMs }: CollectionPage & { searchMs: number },
): Promise<ListedRuns<ListRow>> => {
  const until = performance.now() + searchMs
  const found: ListedRuns<ListRow> = { runs: [], next: after }
  do {
    const page = { limit: limit - found.runs.length, after: found.next, order }
    const { runs, next } = await collectionRunsAfter(queries, collectionId, filter, page)
    found.runs.push(...runs)
    found.next = next
  } while (found.next && found.runs.length < limit && performance.now() < until)
  return found
}

/** Chooses runs of a collection, in the order and with the bounds of its list. */
export const chooseRunsAfter = (
  queries: Queries,
  collectionId: number,
  filter: CollectionRunFilter,
  page: Omit<CollectionPage, 'order'>,
): Promise<ListedRuns<ChosenRun>> =>
  readPage(queries, collectionId, filter, { ...page, order: newest, columns: chosenColumns })

/** Finds runs of a collection by trajectory id: for each id the run that was started here, or the newest ingested one. */
export const chosenById = query(
  'chosen_by_id',
  chosenRun,
  `select distinct on (r.trajectory_id) ${chosenColumns} from runs r
     where r.trajectory_id = any($1::text[]) and r.collection_id = $2
     order by r.trajectory_id, r.ingested, r.number desc`,
  (collectionId: number, ids: readonly string[]) => [ids, collectionId],
)

/** Reads chosen runs by key, in the order of the keys; those that are gone are left out. */
export const chosenByKey = query(
  'chosen_by_key',
  chosenRun,
  `select ${chosenColumns} from unnest($1::text[]) with ordinality u(id, at) join runs r on r.id = u.id order by u.at`,
  (keys: readonly string[]) => [keys],
)

const readPage = async <Row>(
  queries: Queries,
  collectionId: number,
  filter: CollectionRunFilter,
  page: CollectionPage & { columns: string; name?: string },
): Promise<ListedRuns<Row>> => {
  const parameters = makeParameters()
  const source =
    sourceOfKin(parameters, collectionId, filter, page) ??
    sourceOfTasks(parameters, collectionId, filter, page, await countLists(queries, collectionId, filter, page))
  return runsOfSource(queries, parameters, source, {
    limit: page.limit,
    columns: page.columns,
    name: restrictsNothing(filter) && page.order === newest ? page.name : undefined,
  })
}

/** Reads runs as rows of the list, in no order; of runs that are gone there is none. */
export const listRowsOf = query(
  'list_rows_of',
  listRun,
  `select ${listColumns} from runs r where r.id = any($1::text[])`,
  (runKeys: readonly string[]) => [runKeys],
)

/** Runs with such an id that are looked up at most. */
const mostFoundById = 1_000
const lastCharacter = '\u{10ffff}'

/** Reads the newest runs of several collections, or of all, whose trajectory id begins so. */
export const runsById = query(
  'runs_by_id',
  listRun,
  `with found as materialized (
       select r.id, r.collection_id, r.created_at, r.number from runs r
       where r.trajectory_id ~>=~ $1 and r.trajectory_id ~<=~ $2 order by r.trajectory_id using ~<~ limit ${mostFoundById}),
     chosen as materialized (
       select id from found where $3::bigint[] is null or collection_id = any($3)
       order by created_at desc, number desc limit $4)
     select ${listColumns} from chosen join runs r on r.id = chosen.id order by r.created_at desc, r.number desc`,
  (collectionIds: readonly number[] | undefined, { beginning, limit }: { beginning: string; limit: number }) => [
    ...[beginning, beginning + lastCharacter, collectionIds ?? null, limit],
  ],
)

const findKey = queryOne(
  'run_key_of',
  { id: text },
  'select id from runs where trajectory_id = $1 and collection_id = $2 order by ingested, number desc limit 1',
  (at: { collectionId: number; trajectoryId: string }) => [at.trajectoryId, at.collectionId],
)

/** Finds the internal key of a collection's run by trajectory id; the newest, since ids from outside may repeat. */
export const runKeyOf = async (
  queries: Queries,
  at: { collectionId: number; trajectoryId: string },
): Promise<string | undefined> => {
  const row = await findKey(queries, at)
  return row?.id
}

/** A saved view of the list of runs. */
const view = {
  name: text,
  task: orNull(text),
  query: text,
  /** JSON list of names. */
  columns: text,
  author: text,
  created_at: moment,
  updated_at: moment,
}
export type ViewRow = Row<typeof view>

const columns = namesOf(view)
const settable = ['name', 'task', 'query', 'columns', 'author'] as const

/** Lists the views of a collection by name; a collection has a bounded number of them. */
export const listViews = query(
  'list_views',
  view,
  `select ${columns} from views where collection_id = $1 order by lower(name)`,
  (collectionId: number) => [collectionId],
)

export const findView = queryOne(
  'find_view',
  view,
  `select ${columns} from views where collection_id = $1 and lower(name) = lower($2)`,
  (collectionId: number, name: string) => [collectionId, name],
)

/** Saves a view under its name; undefined when the collection is gone or has `most` views. */
export const saveView = queryOne(
  'save_view',
  view,
  `insert into views as v (collection_id, ${settable.join(', ')})
   select c.id, $2, $3, $4, $5, $6 from collections c
   where c.id = $1 and ((select count(*) from views where collection_id = $1) < $7
     or exists (select from views where collection_id = $1 and lower(name) = lower($2)))
   on conflict (collection_id, lower(name)) do update
     set name = excluded.name, task = excluded.task, query = excluded.query, columns = excluded.columns,
       author = excluded.author, updated_at = now()
   returning ${columns}`,
  (collectionId: number, saved: Pick<ViewRow, (typeof settable)[number]>, most: number) => [
    ...[collectionId, ...valuesOf(settable, saved), most],
  ],
)

/** Deletes a view; false when there was none. */
export const deleteView = change(
  'delete_view',
  'delete from views where collection_id = $1 and lower(name) = lower($2) returning name',
  (collectionId: number, name: string) => [collectionId, name],
)
