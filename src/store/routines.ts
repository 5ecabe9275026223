import { catchUps, overlaps } from '../model/cadence.ts'
import type { RunStatus } from '../model/workflows/workflow.ts'
import type { Database, Queries } from './database/database.ts'
import {
  assignments,
  bigint,
  bool,
  change,
  insertInto,
  list,
  moment,
  oneOf,
  orNull,
  query,
  queryOne,
  type Row,
  table,
  text,
  textOf,
  valuesOf,
} from './database/table.ts'
import { isRestoreHeld } from './system/restore-state.ts'

/** Columns that a request sets. */
const fields = {
  /** JSON text of a cadence. */
  cadence: text,
  /** JSON text of an object. */
  init_params_overrides: text,
  secret_param_keys: list(text),
  sealed_secrets: orNull(text),
  paused: bool,
  webhook_url: orNull(text),
  sealed_webhook_secret: orNull(text),
  overlap: oneOf(overlaps),
  catch_up: oneOf(catchUps),
  /** Reference to the version of the task that it runs; null: the newest one. */
  version: orNull(text),
  updated_at: moment,
}
export const routineFields = Object.keys(fields) as (keyof typeof fields)[]

const routines = table('routines', {
  id: bigint,
  task_id: bigint,
  name: text,
  ...fields,
  next_run_at: orNull(moment),
  waiting: list(moment),
  last_skipped_at: orNull(moment),
  last_skip_reason: orNull(text),
  created_at: moment,
})

const settable = [...routineFields, 'next_run_at', 'waiting'] as const
export type RoutineFields = Pick<Row<typeof routines.columns>, (typeof settable)[number]>

/** A routine with the names of its task and collection. */
const named = { ...routines.columns, collection_id: bigint, collection_name: text, task_name: text }
export type RoutineRow = Row<typeof named>

/** A routine with its newest run. */
const listed = { ...named, last_run_at: orNull(moment), last_trajectory_id: orNull(text) }
export type ListedRoutine = Row<typeof listed>

/** A routine with what its run needs from task and collection. */
const runnable = {
  ...named,
  /** JSON text of the collection's settings. */
  settings: orNull(text),
  definition: text,
  environment_id: orNull(bigint),
  payer: bigint,
  /** JSON text of the workflow; null when the routine overrides none of its parameters. */
  workflow: orNull(text),
}
export type RunnableRoutine = Row<typeof runnable>

const columns = `${routines.of('r')}, t.collection_id, c.name as collection_name, t.name as task_name`
const joins = 'join tasks t on t.id = r.task_id join collections c on c.id = t.collection_id'
const lastRun = `left join lateral (
  select created_at as last_run_at, trajectory_id as last_trajectory_id from runs where routine_id = r.id
  order by created_at desc, number desc limit 1) l on true`
const selectListed = `select ${columns}, l.last_run_at, l.last_trajectory_id from routines r ${joins} ${lastRun}`
const selectRunnable = `select ${columns}, t.definition, c.environment_id, c.payer, c.settings,
    case when r.init_params_overrides <> '{}' then d.workflow end as workflow
  from routines r ${joins} join definitions d on d.hash = t.definition`

interface Page {
  skip: number
  /** Id of the last routine of the previous page; 0 for the first page. */
  after: number
  limit: number
}

/** Lists the routines of a collection in order of creation. */
export const routinesOfCollection = query(
  'routines_of_collection',
  listed,
  `${selectListed} where t.collection_id = $1 and r.id > $2 order by r.id offset $3 limit $4`,
  (collectionId: number, { after, skip, limit }: Page) => [collectionId, after, skip, limit],
)

export const routinesOfTask = query(
  'routines_of_task',
  listed,
  `${selectListed} where r.task_id = $1 and r.id > $2 order by r.id offset $3 limit $4`,
  (taskId: number, { after, skip, limit }: Page) => [taskId, after, skip, limit],
)

/** Finds a routine by task and name (case-insensitive). */
export const findRoutine = queryOne(
  'find_routine',
  listed,
  `${selectListed} where r.task_id = $1 and lower(r.name) = lower($2)`,
  (taskId: number, name: string) => [taskId, name],
)

/** Finds a routine with what its run needs. */
export const findRunnableRoutine = queryOne(
  'find_runnable_routine',
  runnable,
  `${selectRunnable} where r.id = $1`,
  (id: number) => [id],
)

const drawId = queryOne('draw_routine_id', { id: bigint }, `select nextval('routine_ids') as id`)

/** Reserves the id of the next routine: its secrets are encrypted with the id as context. */
export const drawRoutineId = async (queries: Queries): Promise<number> => (await drawId(queries))?.id ?? 0

const inserted = ['id', 'task_id', 'name', ...settable, 'created_at'] as const
const insertRoutine = change(
  'create_routine',
  `${insertInto(routines, inserted)} on conflict (task_id, lower(name)) do nothing returning id`,
  (row: Pick<Row<typeof routines.columns>, (typeof inserted)[number]>) => valuesOf(inserted, row),
)

/** Creates a routine. `taken`: the task has one of that name. `gone`: the task was deleted meanwhile. */
export const createRoutine = async (
  queries: Queries,
  { id, taskId, name }: { id: number; taskId: number; name: string },
  fields: RoutineFields,
): Promise<'made' | 'taken' | 'gone'> => {
  try {
    const isMade = await insertRoutine(queries, { id, task_id: taskId, name, ...fields, created_at: fields.updated_at })
    return isMade ? 'made' : 'taken'
  } catch (error) {
    if ((error as { code?: string }).code === '23503') return 'gone' // foreign key violation
    throw error
  }
}

const lockRoutine = query('lock_routine', {}, 'select from routines where id = $1 for no key update', (id: number) => [
  id,
])
const lockedRoutine = queryOne(
  'locked_routine',
  named,
  `select ${columns} from routines r ${joins} where r.id = $1`,
  (id: number) => [id],
)
const writeRoutine = change(
  'update_routine',
  `update routines set ${assignments(settable, 2)} where id = $1`,
  (id: number, fields: RoutineFields) => [id, ...valuesOf(settable, fields)],
)

/**
 * Updates a routine under a lock that keeps it from firing; `change` computes the new fields and may throw. False when
 * it is gone.
 */
export const updateRoutine = (
  database: Database,
  id: number,
  change: (before: RoutineRow) => RoutineFields,
): Promise<boolean> =>
  database.transaction(async (queries) => {
    await lockRoutine(queries, id)
    const before = await lockedRoutine(queries, id)
    if (!before) return false
    await writeRoutine(queries, id, change(before))
    return true
  })

/** Deletes a routine; false when there was none. */
export const deleteRoutine = change(
  'delete_routine',
  'delete from routines where id = $1 returning id',
  (id: number) => [id],
)

// `is not null` lets Postgres use the partial index for many routines at once.
const isActive =
  'exists (select from runs a where a.routine_id = w.id and a.routine_id is not null and a.ended_at is null)'
/** Ids of routines with waiting fires; those that do not overlap only count while no run is active. */
const waitingIds = `select id from routines w where waiting <> '{}' and (overlap = 'allow' or not ${isActive})`

/**
 * SQL condition: some routine is due. It examines only the first one in index order: asked whether any is due before an
 * unknown time, Postgres estimates a third of the rows and scans them all to find none.
 */
export const isAnyRoutineDue = (now: string): string => `((coalesce(
    (select next_run_at <= ${now} from routines where next_run_at is not null order by next_run_at limit 1), false)
  or exists (${waitingIds})) and not ${isRestoreHeld})`

/** Locks due routines for the rest of the transaction, skipping those that others hold. */
export const takeDueRoutines = query(
  'take_due_routines',
  runnable,
  `${selectRunnable} where r.id in (
       (select id from routines where next_run_at <= $1 order by next_run_at limit $2) union all (${waitingIds} limit $2) limit $2)
     and (r.next_run_at <= $1 or r.waiting <> '{}') and not ${isRestoreHeld}
   for no key update of r skip locked`,
  (now: Date, most: number) => [now, most],
)

/** Whether the run of a fire exists, and whether another run of the routine is active. */
const fireState = queryOne(
  'state_of_fire',
  { there: bool, busy: bool },
  `select exists (select from runs where id = $2) as there,
     exists (select from runs where routine_id = $1 and ended_at is null and id <> $2) as busy`,
  (routineId: number, runKey: string) => [routineId, runKey],
)

export const stateOfFire = async (queries: Queries, routineId: number, runKey: string) =>
  (await fireState(queries, routineId, runKey)) ?? { there: false, busy: false }

/** Result of processing a due routine. */
export interface FiredRoutine {
  id: number
  next_run_at: Date | null
  waiting: Date[]
  /** The newest skipped fire, if any. */
  skipped: { at: Date; reason: string } | undefined
  /** Outcomes of fires that no longer wait. */
  outcomes: FireOutcome[]
}

const moveRoutinesOn = change(
  'move_routines_on',
  `update routines r set next_run_at = u.next_run_at, waiting = u.waiting,
     last_skipped_at = coalesce(u.skipped_at, r.last_skipped_at),
     last_skip_reason = coalesce(u.skip_reason, r.last_skip_reason)
   from jsonb_to_recordset($1::jsonb) u(id bigint, next_run_at timestamptz, waiting timestamptz[], skipped_at timestamptz,
     skip_reason text)
   where r.id = u.id`,
  (fired: FiredRoutine[]) => [
    JSON.stringify(
      fired.map(({ skipped, outcomes: _, ...one }) => ({
        ...one,
        skipped_at: skipped?.at,
        skip_reason: skipped?.reason,
      })),
    ),
  ],
)

/** Writes the next due times of routines this transaction holds, and what became of their fires. */
export const moveOn = async (queries: Queries, fired: FiredRoutine[]): Promise<void> => {
  await keepFires(queries, fired)
  await moveRoutinesOn(queries, fired)
}

const outcome = { at: moment, outcome: oneOf(['started', 'skipped', 'missed']), reason: orNull(text) }
/** The outcome of a fire of a routine. */
export type FireOutcome = Row<typeof outcome>

/** Fires that are kept of each routine, the newest ones. */
const mostKept = 500
/** One in this many fires removes old ones: the removal reads all that are kept. */
const trimmedOnceIn = 50

const writeFires = change(
  'keep_fires',
  `insert into routine_fires (routine_id, fire_at, outcome, reason)
   select id, at, outcome, reason
   from jsonb_to_recordset($1::jsonb) f(id bigint, at timestamptz, outcome text, reason text)
   on conflict (routine_id, fire_at) do nothing`,
  (rows: (FireOutcome & { id: number })[]) => [JSON.stringify(rows)],
)
const trimFires = change(
  'trim_fires',
  `delete from routine_fires f using unnest($1::bigint[]) r(id)
   where f.routine_id = r.id and f.fire_at < (
     select fire_at from routine_fires k where k.routine_id = r.id order by fire_at desc offset ${mostKept - 1} limit 1)`,
  (routineIds: number[]) => [routineIds],
)

/** Stores what became of fires, once for each. */
export const keepFires = async (
  queries: Queries,
  fired: readonly { id: number; outcomes: readonly FireOutcome[] }[],
): Promise<void> => {
  const rows = fired.flatMap(({ id, outcomes }) => outcomes.map((outcome) => ({ id, ...outcome })))
  if (rows.length === 0) return
  await writeFires(queries, rows)
  const trimmed = fired.filter(() => Math.random() * trimmedOnceIn < 1).map(({ id }) => id)
  if (trimmed.length > 0) await trimFires(queries, trimmed)
}

/** Lists the fires of a routine with their outcomes, newest first. */
export const firesOf = query(
  'fires_of_routine',
  outcome,
  `select fire_at as at, outcome, reason from routine_fires
   where routine_id = $1 order by fire_at desc limit $2`,
  (routineId: number, limit: number) => [routineId, limit],
)

/** Finds the runs with these keys, which fires started. */
export const firedRuns = query(
  'fired_runs',
  { id: text, trajectory_id: text, status: textOf<RunStatus>() },
  'select id, trajectory_id, status from runs where id = any($1::text[])',
  (runKeys: readonly string[]) => [runKeys],
)
