import type { Queries } from '../../database/database.ts'
import {
  anywhere,
  makeParameters,
  type Parameters,
  type RunCursor,
  type RunFilter,
  restrictsNothing,
} from './lists/run-filter.ts'
import { type ListRow, listColumns, runCost, stepTexts } from './lists/run-row.ts'
import { hasChecks, newestFirst, type RunSource, sourceAmong, sourceFrom, sourceOf } from './lists/run-sources.ts'
import { type ListedRuns, runsOfSource } from './run-lists.ts'

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
  /** Text that the error contains (case-insensitive). */
  error: string | undefined
}

const moreConditions = ({ put }: Parameters, filter: CollectionRunFilter): string[] => {
  const { model, minCostUsd, maxCostUsd, error } = filter
  const named = model === undefined ? undefined : put(`"model":${JSON.stringify(model)}`, 'text')
  return [
    ...(error === undefined ? [] : [`r.error ilike ${put(anywhere(error), 'text')}`]),
    ...(named
      ? [
          `exists (select from ${stepTexts} t where position(${named} in t.inputs) > 0 or position(${named} in t.outputs) > 0)`,
        ]
      : []),
    ...(minCostUsd === undefined ? [] : [`${runCost} >= ${put(minCostUsd, 'float8')}`]),
    ...(maxCostUsd === undefined ? [] : [`${runCost} <= ${put(maxCostUsd, 'float8')}`]),
  ]
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

/** Counts the tasks among which a list divides the runs it may check; 1 where it checks none. */
const countLists = async (queries: Queries, collectionId: number, filter: CollectionRunFilter): Promise<number> => {
  if (!hasChecks(filter)) return 1
  const parameters = makeParameters()
  const counting = `select count(*) as total from (${tasksOf(parameters, collectionId, filter)}) t`
  const [row] = await queries.query<{ total: number }>(counting, parameters.values)
  return row?.total ?? 1
}

/** The runs of a routine, or the children of a run, each in an index of its own; undefined for other lists. */
const sourceOfKin = (
  parameters: Parameters,
  collectionId: number,
  filter: CollectionRunFilter,
  after: RunCursor | undefined,
): RunSource | undefined => {
  const { put } = parameters
  const kin = [
    ...(filter.parentKey === undefined ? [] : [`r.parent_id = ${put(filter.parentKey, 'text')}`]),
    ...(filter.routineId === undefined ? [] : [`r.routine_id = ${put(filter.routineId, 'bigint')}`]),
  ]
  if (kin.length === 0) return undefined
  const ofTasks = [
    ...(filter.taskIds ? [`r.task_id = any(${put(filter.taskIds, 'bigint[]')})`] : []),
    ...(filter.taskIdsNot.length > 0 ? [`r.task_id <> all(${put(filter.taskIdsNot, 'bigint[]')})`] : []),
  ]
  const where = [...kin, ...ofTasks, `r.collection_id = ${put(collectionId, 'bigint')}`]
  return sourceFrom(parameters, sourceAmong(parameters, where, filter, after))
}

/**
 * Merges the newest runs of each task: no index has all runs of a collection in order, since every run would pay for
 * it.
 */
const sourceOfTasks = (
  parameters: Parameters,
  collectionId: number,
  filter: CollectionRunFilter,
  at: { after: RunCursor | undefined; lists: number },
): RunSource => {
  const tasks = tasksOf(parameters, collectionId, filter)
  const { select, hasMarks, rest } = sourceFrom(parameters, sourceOf(parameters, 't.id', filter, at.after), at.lists)
  return {
    hasMarks,
    rest,
    select: (most) =>
      `select k.id, k.created_at, k.number from (${tasks}) t cross join lateral (
         select * from (${select(most)}) i ${hasMarks ? '' : `${newestFirst} limit ${most}`}) k`,
  }
}

interface CollectionPage {
  limit: number
  after: RunCursor | undefined
}

/** A run as an action on many runs needs it. */
export interface ChosenRun {
  id: string
  trajectory_id: string
  /** `collection/task`. */
  name: string
}
const chosenColumns = 'r.id, r.trajectory_id, r.name'

/** Lists runs of all tasks of a collection, newest first, from the start or after a cursor; see `runsOfSource`. */
export const collectionRunsAfter = (
  queries: Queries,
  collectionId: number,
  filter: CollectionRunFilter,
  page: CollectionPage,
): Promise<ListedRuns<ListRow>> => {
  const name = `list_collection_runs_${page.after ? 'after' : 'begin'}`
  return readPage(queries, collectionId, filter, { ...page, columns: listColumns, name })
}

/** Chooses runs of a collection, in the order and with the bounds of its list. */
export const chooseRunsAfter = (
  queries: Queries,
  collectionId: number,
  filter: CollectionRunFilter,
  page: CollectionPage,
): Promise<ListedRuns<ChosenRun>> => readPage(queries, collectionId, filter, { ...page, columns: chosenColumns })

/** Finds runs of a collection by trajectory id: for each id the run that was started here, or the newest ingested one. */
export const chosenById = (queries: Queries, collectionId: number, ids: readonly string[]): Promise<ChosenRun[]> =>
  queries.rows(
    'chosen_by_id',
    `select distinct on (r.trajectory_id) ${chosenColumns} from runs r
     where r.trajectory_id = any($1::text[]) and r.collection_id = $2
     order by r.trajectory_id, r.ingested, r.number desc`,
    [ids, collectionId],
  )

/** Reads chosen runs by key, in the order of the keys; those that are gone are left out. */
export const chosenByKey = (queries: Queries, keys: readonly string[]): Promise<ChosenRun[]> =>
  queries.rows(
    'chosen_by_key',
    `select ${chosenColumns} from unnest($1::text[]) with ordinality u(id, at) join runs r on r.id = u.id order by u.at`,
    [keys],
  )

const readPage = async <Row>(
  queries: Queries,
  collectionId: number,
  filter: CollectionRunFilter,
  page: CollectionPage & { columns: string; name?: string },
): Promise<ListedRuns<Row>> => {
  const parameters = makeParameters()
  const { after } = page
  const source =
    sourceOfKin(parameters, collectionId, filter, after) ??
    sourceOfTasks(parameters, collectionId, filter, { after, lists: await countLists(queries, collectionId, filter) })
  const rest = [...source.rest, ...moreConditions(parameters, filter)]
  return runsOfSource(
    queries,
    parameters,
    { ...source, rest },
    {
      limit: page.limit,
      columns: page.columns,
      name: restrictsNothing(filter) ? page.name : undefined,
    },
  )
}

/** Reads runs as rows of the list, in no order; of runs that are gone there is none. */
export const listRowsOf = (queries: Queries, runKeys: readonly string[]): Promise<ListRow[]> =>
  queries.rows('list_rows_of', `select ${listColumns} from runs r where r.id = any($1::text[])`, [runKeys])

/** Finds the internal key of a collection's run by trajectory id; the newest, since ids from outside may repeat. */
export const runKeyOf = async (
  queries: Queries,
  at: { collectionId: number; trajectoryId: string },
): Promise<string | undefined> => {
  const [row] = await queries.rows<{ id: string }>(
    'run_key_of',
    'select id from runs where trajectory_id = $1 and collection_id = $2 order by ingested, number desc limit 1',
    [at.trajectoryId, at.collectionId],
  )
  return row?.id
}
