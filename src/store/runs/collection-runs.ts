import type { Queries } from '../../database/database.ts'
import {
  anywhere,
  type ListedRuns,
  makeParameters,
  newestFirst,
  type Parameters,
  type RunCursor,
  type RunFilter,
  type RunSource,
  type RunSummaryRow,
  runsOfSource,
  sourceAmong,
  sourceOf,
} from './run-lists.ts'
import { summaryColumns } from './runs.ts'

/** Filter of a list of runs over a collection; an omitted member does not restrict it. */
export interface CollectionRunFilter extends RunFilter {
  /** Ids of tasks, of which the run's task must be one. */
  taskIds: readonly number[] | undefined
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

/** A run in a list over a collection. */
export interface CollectionRunRow extends RunSummaryRow {
  /** US dollars; null when unknown. */
  cost_usd: number | null
  /** JSON text: names of the models in its steps. */
  models: string
}

/** Maximum steps of one run whose models and costs are read. */
const stepsLookedAt = 50
/** Characters read of a value stored outside its row. */
const lookedAt = 8192

/** Inputs and outputs of a step, in which models are named. */
const stepTexts = `(
  select coalesce(s.inputs, (select left(body, ${lookedAt}) from payloads where id = s.inputs_payload)) as inputs,
    coalesce(s.outputs, (select left(body, ${lookedAt}) from payloads where id = s.outputs_payload)) as outputs
  from steps s where s.run_id = r.id order by s.seq limit ${stepsLookedAt})`

/** Matches JSON as text: one escaped NUL in a string would make Postgres refuse the whole value. */
const modelIn = (text: string): string => `substring(${text} from '"model":("(?:[^"\\\\]|\\\\.)*")')`
const models = `(
  select '[' || coalesce(string_agg(distinct m.model, ','), '') || ']'
  from ${stepTexts} t cross join lateral (values (${modelIn('t.inputs')}), (${modelIn('t.outputs')})) m(model))`

/** Cost of a run: recorded as its steps spend it; a gateway call, the only step of its run, states it in its record. */
const cost = `coalesce(
  (select usd::float8 from run_spending where run_id = r.id),
  (select substring(coalesce(s.outputs, (select body from payloads where id = s.outputs_payload))
     from '"cost_usd":(\\d+(?:\\.\\d+)?(?:e[+-]?\\d+)?)')::float8
   from steps s where s.run_id = r.id and s.seq = 0 and s.epoch = 0 and s.name = 'completion' and not r.ingested))`

const columns = `${summaryColumns}, ${cost} as cost_usd, ${models} as models`

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
    ...(minCostUsd === undefined ? [] : [`${cost} >= ${put(minCostUsd, 'float8')}`]),
    ...(maxCostUsd === undefined ? [] : [`${cost} <= ${put(maxCostUsd, 'float8')}`]),
  ]
}

const tasksOf = (collection: string): string =>
  `select id from tasks where collection_id = ${collection}
   union all select task_id from former_tasks where collection_id = ${collection}`

/**
 * Merges the newest runs of each task: no index has all runs of a collection in order, since every run would pay for
 * it. Runs of a routine and of a parent have indexes of their own.
 */
const sourceOfCollection = (
  parameters: Parameters,
  collectionId: number,
  filter: CollectionRunFilter,
  after: RunCursor | undefined,
): RunSource => {
  const { put } = parameters
  const among = [
    ...(filter.parentKey === undefined ? [] : [`r.parent_id = ${put(filter.parentKey, 'text')}`]),
    ...(filter.routineId === undefined ? [] : [`r.routine_id = ${put(filter.routineId, 'bigint')}`]),
  ]
  if (among.length > 0) {
    const ofTasks = filter.taskIds ? [`r.task_id = any(${put(filter.taskIds, 'bigint[]')})`] : []
    const source = sourceAmong(
      parameters,
      [...among, ...ofTasks, `r.collection_id = ${put(collectionId, 'bigint')}`],
      filter,
      after,
    )
    return { ...source, rest: [...source.rest, ...moreConditions(parameters, filter)] }
  }
  const tasks = filter.taskIds
    ? `select unnest(${put(filter.taskIds, 'bigint[]')}) as id`
    : tasksOf(put(collectionId, 'bigint'))
  const { select, rest } = sourceOf(parameters, 't.id', filter, after)
  return {
    rest: [...rest, ...moreConditions(parameters, filter)],
    select: (conditions, most) =>
      `select k.id, k.created_at, k.number from (${tasks}) t cross join lateral (
         select * from (${select(conditions, most)}) i ${newestFirst} ${most === undefined ? '' : `limit ${most}`}) k`,
  }
}

const isEmpty = (filter: CollectionRunFilter): boolean =>
  Object.values(filter).every((one) => one === undefined || (Array.isArray(one) && one.length === 0))

/** Lists runs of all tasks of a collection, newest first, from the start or after a cursor; see `runsOfSource`. */
export const collectionRunsAfter = (
  queries: Queries,
  collectionId: number,
  filter: CollectionRunFilter,
  page: { limit: number; after: RunCursor | undefined },
): Promise<ListedRuns<CollectionRunRow>> => {
  const parameters = makeParameters()
  const source = sourceOfCollection(parameters, collectionId, filter, page.after)
  const name = `list_collection_runs_${page.after ? 'after' : 'begin'}`
  return runsOfSource(queries, parameters, source, {
    limit: page.limit,
    columns,
    name: isEmpty(filter) ? name : undefined,
  })
}

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
