import { batched } from '../../lib/batch.ts'
import { newTrajectoryId } from '../../lib/ids.ts'
import { readCollectionSettings } from '../../model/collections/collection-settings.ts'
import type { FoundCollection, FoundTask } from '../../model/collections/identity.ts'
import type { TrialLeft } from '../../model/collections/trial.ts'
import { isName } from '../../model/names.ts'
import type { RunStatus } from '../../model/workflows/workflow.ts'
import type { Database, Queries } from '../database/database.ts'
import {
  bigint,
  bool,
  change,
  int,
  listsOf,
  moment,
  orNull,
  query,
  queryOne,
  queryValue,
  type Row,
  table,
  text,
  textOf,
} from '../database/table.ts'
import { serversOf } from '../system/placements.ts'
import { labelsText } from './labels.ts'
import { endedRun, keepDurationTotals, keepRunTotals, otherShard } from './totals.ts'

/**
 * SQL expression: which version of its task a row `r` of runs executes. The newest one with its workflow, of later ones only
 * where no earlier one has it; null when it is gone.
 */
export const versionNumberOf = `(select v.seq from task_versions v where v.task_id = r.task_id and v.definition = r.definition
  order by v.created_at <= r.created_at desc, v.seq desc limit 1)`

const numbersOf = query(
  'version_numbers',
  { id: text, version_number: orNull(int) },
  `select r.id, ${versionNumberOf} as version_number
     from runs r where r.id = any($1::text[])`,
  (runKeys: string[]) => [runKeys],
)

/** Reads which version of its task each run executes. Runs whose version is gone are left out. */
const versionNumbers = async (queries: Queries, runKeys: string[]): Promise<ReadonlyMap<string, number>> => {
  const rows = await numbersOf(queries, runKeys)
  return new Map(rows.flatMap(({ id, version_number }) => (version_number === null ? [] : [[id, version_number]])))
}

/** Returns copies of runs with their version numbers. */
export const withVersionNumbers = async <Run extends { id: string }>(
  queries: Queries,
  runs: Run[],
): Promise<(Run & { version_number: number | null })[]> => {
  const numbers = await versionNumbers(
    queries,
    runs.map(({ id }) => id),
  )
  return runs.map((run) => ({ ...run, version_number: numbers.get(run.id) ?? null }))
}

const ownColumns = {
  id: text,
  number: bigint,
  trajectory_id: text,
  workflow_id: text,
  collection_id: bigint,
  task_id: bigint,
  name: text,
  /** Hash of the executed definition. */
  definition: text,
  author: text,
  /** Authenticated starter or sender; null when not recorded. */
  recorded_by: orNull(text),
  status: textOf<RunStatus>(),
  error: orNull(text),
  /** JSON text of `attributes.params`. */
  params: orNull(text),
  /** The run was executed elsewhere and ingested. */
  ingested: bool,
  routine_id: orNull(bigint),
  webhook_url: orNull(text),
  /** Labels that it asks of a server process: see `placementOf`. */
  runs_on: orNull(text),
  /** JSON text: the error with which the run fails before its first step, because it cannot be served. */
  refusal: orNull(text),
  changed: bigint,
  created_at: moment,
  started_at: orNull(moment),
  ended_at: orNull(moment),
}

export const runs = table('runs', {
  ...ownColumns,
  parent_id: orNull(text),
  parent_seq: orNull(int),
  child_index: orNull(int),
})

/** A run without the columns that may be large: what `summaryColumns` select. */
export const runSummary = {
  ...ownColumns,
  /** Hash of the definition to show, with secrets removed. */
  definition: text,
  /** Hash of the executed definition. */
  version: text,
  /** JSON text: list of labels, newest last. */
  labels: text,
  /** JSON text: steps of an open run that wait for a person; null when none does. */
  waiting: orNull(text),
  /** Of an open run with `runs_on`: the processes that have the labels. */
  servers: orNull(int),
  /** The run uses lent keys. */
  on_trial: bool,
}

const run = {
  ...runSummary,
  /** Null when large: see `withInitParams`. */
  init_params: orNull(text),
  init_params_bytes: int,
}

type UnknownAtFirst = 'runs_on' | 'servers' | 'on_trial'
/** A run's row. Right after it was written some columns are undefined. */
export interface RunRow extends Omit<Row<typeof run>, UnknownAtFirst>, Partial<Pick<Row<typeof run>, UnknownAtFirst>> {
  /**
   * Index of its version in the history of its task; null when that is deleted, undefined when it was not looked up.
   */
  version_number?: number | null
  /** The rest of the run's trial. */
  trial?: TrialLeft
}

/** SQL expression: a time as the API writes it. */
const timestampText = (moment: string): string =>
  `to_char(${moment} at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`

/** Characters of an approval message in lists; the list of approvals has the whole message. */
const messageShown = 1_000

/**
 * SQL expression: the steps of a row `r` of runs that wait for a person, as JSON text; null when none does. Ended runs
 * are not looked up.
 */
const waitingText = `case when r.ended_at is null then (
  select json_agg(json_build_object('step', a.step, 'message', left(a.message, ${messageShown}),
    'since', ${timestampText('a.requested_at')}, 'expires_at', ${timestampText('a.expires_at')}) order by a.seq)::text
  from approvals a where a.run_id = r.id and a.decision is null) end as waiting`

/** Columns of a RunRow from a row `r`, without the one that may be large. */
export const summaryColumns = `r.id, r.number, r.trajectory_id, r.workflow_id, r.collection_id, r.task_id, r.name,
  coalesce(r.shown_definition, r.definition) as definition, r.definition as version, r.author, r.status, r.error,
  case when r.ingested then r.recorded_by else r.author end as recorded_by,
  r.params, r.runs_on, case when r.runs_on is not null and r.ended_at is null then ${serversOf('r.runs_on')} end as servers,
  r.ingested, r.routine_id, r.webhook_url, r.refusal, r.changed, r.created_at, r.started_at, r.ended_at, ${labelsText('r.id')} as labels,
  exists (select from trial_runs where run_key = r.id) as on_trial, ${waitingText}`
/** SQL expression: a run's init_params, wherever they are stored. */
export const initParamsText = 'coalesce(r.init_params, (select body from payloads where id = r.init_params_payload))'
/** Larger `init_params` are read separately: a page of a list may have hundreds of runs. */
const smallInitParams = 16 * 1024
export const runColumns = `${summaryColumns},
  case when octet_length(r.init_params) <= ${smallInitParams} then r.init_params end as init_params,
  coalesce(octet_length(r.init_params), (select octet_length(body) from payloads where id = r.init_params_payload), 0)
    as init_params_bytes`

const place = {
  at: int,
  collection_id: bigint,
  payer: bigint,
  collection_name: text,
  settings: orNull(text),
  environment_id: orNull(bigint),
  id: orNull(bigint),
  name: orNull(text),
  definition: orNull(text),
}
const findPlaces = query(
  'find_places',
  place,
  `select w.at::int as at, c.id as collection_id, c.name as collection_name, c.payer, c.settings,
         c.environment_id, t.id, t.name, t.definition
       from unnest($1::text[], $2::text[]) with ordinality w(collection, task, at)
       join collections c on lower(c.name) = w.collection
       left join tasks t on t.collection_id = c.id and lower(t.name) = w.task`,
  (wanted: { collection: string; task: string }[]) => [...listsOf(['collection', 'task'], wanted)],
)

/** Finds a collection and a task by names (case-insensitive); concurrent lookups share one query. */
export const makeTaskFinder = (
  database: Database,
): ((
  collection: string,
  task: string,
) => Promise<{ collection: FoundCollection; task: FoundTask | undefined } | undefined>) => {
  const find = batched<{ collection: string; task: string }, Row<typeof place> | undefined>(async (wanted) => {
    const found = new Map((await findPlaces(database, wanted)).map((row) => [row.at, row]))
    return wanted.map((_, index) => found.get(index + 1))
  }, 200)
  return async (collection, task) => {
    const row = isName(collection)
      ? await find({ collection: collection.toLowerCase(), task: task.toLowerCase() })
      : undefined
    if (!row) return undefined
    const { id, name, definition, environment_id } = row
    return {
      collection: {
        id: row.collection_id,
        name: row.collection_name,
        payer: row.payer,
        settings: readCollectionSettings(row.settings),
      },
      task: id === null || name === null || definition === null ? undefined : { id, name, definition, environment_id },
    }
  }
}

/** SQL expression: the id under which a task's runs are found; a deleted task's when no task has the name now. */
const taskOfRuns = (collectionId: string, name: string): string => `coalesce(
  (select id from tasks where collection_id = ${collectionId} and lower(name) = lower(${name})),
  (select task_id from former_tasks f where collection_id = ${collectionId} and lower(name) = lower(${name})
     and exists (select from runs r where r.task_id = f.task_id) order by task_id desc limit 1))`

const idOfRuns = queryValue(
  'find_listed_task',
  { id: orNull(bigint) },
  `select ${taskOfRuns('$1', '$2')} as id`,
  (collectionId: number, task: string) => [collectionId, task],
)

/** Finds the id under which a task's runs are listed. */
export const findListedTask = async (
  queries: Queries,
  collectionId: number,
  task: string,
): Promise<number | undefined> => {
  return (await idOfRuns(queries, collectionId, task)) ?? undefined
}

/** Finds a run by trajectory id, if it belongs to the named task by the task's current name or the one at its start. */
export const findRun = async (
  queries: Queries,
  at: { collectionId: number; task: string; trajectoryId: string },
): Promise<RunRow | undefined> => (await findRuns(queries, { ...at, trajectoryIds: [at.trajectoryId] }))[0]

/**
 * Finds at most one run for each id: ids from outside may exist in several tasks, and the task with the name now wins.
 */
export const findRuns = query(
  'find_runs',
  run,
  `with t as (select ${taskOfRuns('$2', '$3')} as id)
     select distinct on (r.trajectory_id) ${runColumns} from runs r
     where r.trajectory_id = any($1::text[]) and r.collection_id = $2
       and (lower(split_part(r.name, '/', 2)) = lower($3) or r.task_id = (select id from t))
     order by r.trajectory_id, r.task_id is not distinct from (select id from t) desc, r.number desc`,
  (at: { collectionId: number; task: string; trajectoryIds: string[] }) => [at.trajectoryIds, at.collectionId, at.task],
)

/** Maximum `--`-separated parts of a workflow id that are tried: trajectory ids from outside may contain `--`. */
const mostParts = 20
const endingsOf = (id: string): string[] => {
  const parts = id.split('--').slice(-mostParts)
  return [id, ...parts.map((_, at) => parts.slice(at).join('--'))]
}

/**
 * Finds a run by whole workflow id, or by bare trajectory id. Ids from outside may exist in several tasks: only the
 * collections that the caller covers count (undefined means all), a match of the whole id before the newest. The part
 * after a `--` only selects candidates: the index on trajectory ids serves both cases.
 */
export const findRunByWorkflowId = queryOne(
  'find_run_by_workflow_id',
  run,
  `select ${runColumns} from runs r
     where r.trajectory_id = any($2::text[]) and (r.workflow_id = $1 or r.trajectory_id = $1)
       and ($3::bigint[] is null or r.collection_id = any($3))
     order by r.workflow_id = $1 desc, r.ingested, r.number desc limit 1`,
  (id: string, collectionIds: readonly number[] | undefined) => [id, endingsOf(id), collectionIds ?? null],
)

/** Reads how many runs a task has ever started; a counter, never a count. */
export const countRuns = queryValue(
  'count_runs',
  { total: bigint },
  'select coalesce(sum(total), 0)::bigint as total from run_counts where task_id = $1',
  (taskId: number) => [taskId],
)

/** Finds a run by internal key. */
export const findRunByKey = queryOne(
  'find_run_by_key',
  run,
  `select ${runColumns} from runs r where r.id = $1`,
  (runKey: string) => [runKey],
)

/** A run and the number of its newest change, from one snapshot. */
export type RunAtOnce = RunRow & Row<typeof numbers>
const numbers = {
  labels_changed: bigint,
  /** Newest change of its agents' events; null when there are none. */
  events_changed: orNull(bigint),
  newest: bigint,
}

/**
 * Reads a run with its newest change number, labels, steps from `fromSeq` on, and newest agent event, in one snapshot.
 */
export const runAtOnce = queryOne(
  'run_at_once',
  { ...run, ...numbers },
  `select ${runColumns}, r.labels_changed, e.changed as events_changed,
         greatest(r.changed, r.labels_changed, e.changed,
           (select max(changed) from steps where run_id = r.id and seq >= $2)) as newest
       from runs r cross join lateral (select max(changed) as changed from step_events where run_id = r.id) e
       where r.id = $1`,
  (runKey: string, fromSeq: number) => [runKey, fromSeq],
)

/** Overwrites the status of ended runs. Starts and stops nothing. */
export const relabelRuns = change(
  'relabel_runs',
  `with before as materialized (
       select r.id, ${endedRun} from runs r where id = any($1::text[]) and ended_at is not null order by id
       for no key update),
     moved as (update runs r set status = $2, changed = nextval('changes') from before where r.id = before.id),
     ended_runs as (
       select task_id, status, day, ms, -1 sign from before
       union all select task_id, $2::text collate "C", day, ms, 1 from before),
     ${keepRunTotals('$3::smallint')},
     ${keepDurationTotals('$3::smallint')}
     select`,
  (runKeys: string[], status: RunStatus) => [runKeys, status, otherShard()],
)

const activeRuns = query(
  'active_runs_of',
  { id: text },
  'select id from runs where ended_at is null and collection_id = $1 limit 1000',
  (collectionId: number) => [collectionId],
)

/** Lists a bounded number of active runs of a collection. */
export const activeRunsOf = async (queries: Queries, collectionId: number): Promise<string[]> => {
  const rows = await activeRuns(queries, collectionId)
  return rows.map((row) => row.id)
}

const findDefinition = queryOne(
  'definition',
  { workflow: text },
  'select workflow from definitions where hash = $1',
  (hash: string) => [hash],
)

/** Reads the text of a definition. */
export const definitionText = async (queries: Queries, hash: string): Promise<string> => {
  return (await findDefinition(queries, hash))?.workflow ?? '{}'
}

/** Number of ids drawn at once. */
const stockSize = 512
/** Stock level below which the next ids are looked up. */
const fewIds = 128

const takenTrajectoryIds = query(
  'taken_trajectory_ids',
  { trajectory_id: text },
  'select trajectory_id from runs where trajectory_id = any($1::text[])',
  (trajectoryIds: string[]) => [trajectoryIds],
)

/**
 * Supplies trajectory ids to callers that announce an id before they store its run. Ids are checked to be unused ahead
 * of need, hundreds at a time. Nobody waits: with an empty stock, at the start or while the database is away, an
 * unchecked id is drawn.
 */
export const makeFreeIds = (database: Pick<Queries, 'rows'>, draw: () => string = newTrajectoryId) => {
  let stock: string[] = []
  let filling: Promise<void> | undefined

  const fill = async () => {
    const drawn = [...new Set(Array.from({ length: stockSize }, draw))]
    const rows = await takenTrajectoryIds(database, drawn)
    const taken = new Set(rows.map(({ trajectory_id }) => trajectory_id))
    stock = drawn.filter((id) => !taken.has(id))
  }
  const refill = (): Promise<void> => {
    filling ??= fill()
      .catch(() => {}) // the next draw tries again
      .finally(() => {
        filling = undefined
      })
    return filling
  }

  return {
    draw(): string {
      if (stock.length < fewIds) void refill()
      return stock.pop() ?? draw()
    },
    refill,
  }
}
