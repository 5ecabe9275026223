import type { Queries } from '../../database/database.ts'
import {
  anywhere,
  type ListedRuns,
  makeParameters,
  newestFirst,
  type Parameters,
  type RunCursor,
  type RunFilter,
  type RunSummaryRow,
  runsOfSource,
  type Source,
  sourceAmong,
  sourceOf,
} from './run-lists.ts'
import { summaryColumns } from './runs.ts'

/** What the runs of a list over a collection have in common; whatever is left out does not matter. */
export interface CollectionRunFilter extends RunFilter {
  /** Ids of tasks, one of them. */
  taskIds: readonly number[] | undefined
  /** Internal key of the run that started them, for its items. */
  parentKey: string | undefined
  /** A step of theirs was given this model, or answered by it. */
  model: string | undefined
  /** US dollars; a run whose cost is not known has neither more nor less. */
  minCostUsd: number | undefined
  maxCostUsd: number | undefined
  /** Stands in the error, in any case. */
  error: string | undefined
}

/** A run as a list over a collection has it. */
export interface CollectionRunRow extends RunSummaryRow {
  /** US dollars; null where it is not known. */
  cost_usd: number | null
  /** JSON text: the names of models in its steps. */
  models: string
}

/** Steps of one run whose models are looked for. */
const stepsLookedAt = 50
/** Characters of a value that stands outside its row. */
const lookedAt = 8192

/** What a step was given and gave: where a model is named. */
const stepTexts = `(
  select coalesce(s.inputs, (select left(body, ${lookedAt}) from payloads where id = s.inputs_payload)) as inputs,
    coalesce(s.outputs, (select left(body, ${lookedAt}) from payloads where id = s.outputs_payload)) as outputs
  from steps s where s.run_id = r.id order by s.seq limit ${stepsLookedAt})`

/** JSON in a column is read as text: Postgres would refuse all of it for one escaped NUL in some string. */
const modelIn = (text: string): string => `substring(${text} from '"model":("(?:[^"\\\\]|\\\\.)*")')`
const models = `(
  select '[' || coalesce(string_agg(distinct m.model, ','), '') || ']'
  from ${stepTexts} t cross join lateral (values (${modelIn('t.inputs')}), (${modelIn('t.outputs')})) m(model))`

/** Of steps it is counted as they spend; the record of a call of the gateway, the only step of its run, states it. */
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
 * No index has all runs of a collection in order, for every run would pay for it: the newest of each task are merged.
 * Those of a routine and of a parent have an index of their own.
 */
const sourceOfCollection = (
  parameters: Parameters,
  collectionId: number,
  filter: CollectionRunFilter,
  after: RunCursor | undefined,
): Source => {
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

/** Runs of all tasks of a collection, newest first: what comes after a cursor, or the beginning; see `runsOfSource`. */
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

/** The internal key of a run of a collection, by its trajectory id; the newest, where ids came from outside. */
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
