import type { Database, Queries } from '../database/database.ts'
import type { CatchUp, Overlap } from '../model/cadence.ts'
import { type FireOutcome, keepFires } from './routine-fires.ts'
import { isRestoreHeld } from './system/restore-state.ts'

/** A routine's row, joined with its task and collection. */
export interface RoutineRow {
  id: number
  task_id: number
  name: string
  collection_id: number
  collection_name: string
  task_name: string
  /** JSON text of a cadence. */
  cadence: string
  /** JSON text of an object. */
  init_params_overrides: string
  secret_param_keys: string[]
  sealed_secrets: string | null
  paused: boolean
  webhook_url: string | null
  sealed_webhook_secret: string | null
  overlap: Overlap
  catch_up: CatchUp
  next_run_at: Date | null
  waiting: Date[]
  last_skipped_at: Date | null
  last_skip_reason: string | null
  created_at: Date
  updated_at: Date
}

/** A routine with its newest run. */
export interface ListedRoutine extends RoutineRow {
  last_run_at: Date | null
  last_trajectory_id: string | null
}

/** A routine with what its run needs from task and collection. */
export interface RunnableRoutine extends RoutineRow {
  /** JSON text of the collection's settings; null when there are none. */
  settings: string | null
  definition: string
  environment_id: number | null
  /** JSON text of the workflow; null when the routine overrides none of its parameters. */
  workflow: string | null
}

/** Settable fields of a routine, as stored. */
export type RoutineFields = Pick<
  RoutineRow,
  | 'cadence'
  | 'init_params_overrides'
  | 'secret_param_keys'
  | 'sealed_secrets'
  | 'paused'
  | 'webhook_url'
  | 'sealed_webhook_secret'
  | 'overlap'
  | 'catch_up'
  | 'next_run_at'
  | 'waiting'
  | 'updated_at'
>

const columns = `r.id, r.task_id, r.name, t.collection_id, c.name as collection_name, t.name as task_name, r.cadence,
  r.init_params_overrides, r.secret_param_keys, r.sealed_secrets, r.paused, r.webhook_url, r.sealed_webhook_secret,
  r.overlap, r.catch_up, r.next_run_at, r.waiting, r.last_skipped_at, r.last_skip_reason, r.created_at, r.updated_at`
const joins = 'join tasks t on t.id = r.task_id join collections c on c.id = t.collection_id'
const lastRun = `left join lateral (
  select created_at as last_run_at, trajectory_id as last_trajectory_id from runs where routine_id = r.id
  order by created_at desc, number desc limit 1) l on true`
const listed = `select ${columns}, l.last_run_at, l.last_trajectory_id from routines r ${joins} ${lastRun}`
const runnable = `select ${columns}, t.definition, c.environment_id, c.settings,
    case when r.init_params_overrides <> '{}' then d.workflow end as workflow
  from routines r ${joins} join definitions d on d.hash = t.definition`

interface Page {
  skip: number
  /** Id of the last routine of the previous page; 0 for the first page. */
  after: number
  limit: number
}

/** Lists the routines of a collection in order of creation. */
export const routinesOfCollection = (queries: Queries, collectionId: number, page: Page): Promise<ListedRoutine[]> =>
  queries.rows(
    'routines_of_collection',
    `${listed} where t.collection_id = $1 and r.id > $2 order by r.id offset $3 limit $4`,
    [collectionId, page.after, page.skip, page.limit],
  )

export const routinesOfTask = (queries: Queries, taskId: number, page: Page): Promise<ListedRoutine[]> =>
  queries.rows('routines_of_task', `${listed} where r.task_id = $1 and r.id > $2 order by r.id offset $3 limit $4`, [
    taskId,
    page.after,
    page.skip,
    page.limit,
  ])

/** Finds a routine by task and name (case-insensitive). */
export const findRoutine = async (queries: Queries, taskId: number, name: string): Promise<ListedRoutine | undefined> =>
  (
    await queries.rows<ListedRoutine>('find_routine', `${listed} where r.task_id = $1 and lower(r.name) = lower($2)`, [
      taskId,
      name,
    ])
  )[0]

/** Finds a routine with what its run needs. */
export const findRunnableRoutine = async (queries: Queries, id: number): Promise<RunnableRoutine | undefined> =>
  (await queries.rows<RunnableRoutine>('find_runnable_routine', `${runnable} where r.id = $1`, [id]))[0]

/** Reserves the id of the next routine: its secrets are encrypted with the id as context. */
export const drawRoutineId = async (queries: Queries): Promise<number> => {
  const [row] = await queries.rows<{ id: number }>('draw_routine_id', `select nextval('routine_ids') as id`)
  return row?.id ?? 0
}

/** Creates a routine. `taken`: the task has one of that name. `gone`: the task was deleted meanwhile. */
export const createRoutine = async (
  queries: Queries,
  at: { id: number; taskId: number; name: string },
  fields: RoutineFields,
): Promise<'made' | 'taken' | 'gone'> => {
  try {
    const made = await queries.rows(
      'create_routine',
      `insert into routines (id, task_id, name, cadence, init_params_overrides, secret_param_keys, sealed_secrets, paused,
         webhook_url, sealed_webhook_secret, overlap, catch_up, next_run_at, waiting, updated_at, created_at)
       values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $15)
       on conflict (task_id, lower(name)) do nothing returning id`,
      [at.id, at.taskId, at.name, ...storedValues(fields)],
    )
    return made.length > 0 ? 'made' : 'taken'
  } catch (error) {
    if ((error as { code?: string }).code === '23503') return 'gone' // foreign key violation
    throw error
  }
}

const storedValues = (fields: RoutineFields): unknown[] => [
  fields.cadence,
  fields.init_params_overrides,
  fields.secret_param_keys,
  fields.sealed_secrets,
  fields.paused,
  fields.webhook_url,
  fields.sealed_webhook_secret,
  fields.overlap,
  fields.catch_up,
  fields.next_run_at,
  fields.waiting,
  fields.updated_at,
]

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
    await queries.rows('lock_routine', 'select from routines where id = $1 for no key update', [id])
    const [before] = await queries.rows<RoutineRow>(
      'locked_routine',
      `select ${columns} from routines r ${joins} where r.id = $1`,
      [id],
    )
    if (!before) return false
    await queries.rows(
      'update_routine',
      `update routines set cadence = $2, init_params_overrides = $3, secret_param_keys = $4, sealed_secrets = $5,
         paused = $6, webhook_url = $7, sealed_webhook_secret = $8, overlap = $9, catch_up = $10, next_run_at = $11,
         waiting = $12, updated_at = $13 where id = $1`,
      [id, ...storedValues(change(before))],
    )
    return true
  })

/** Deletes a routine; false when there was none. */
export const deleteRoutine = async (queries: Queries, id: number): Promise<boolean> =>
  (await queries.rows('delete_routine', 'delete from routines where id = $1 returning id', [id])).length > 0

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
export const takeDueRoutines = (queries: Queries, now: Date, most: number): Promise<RunnableRoutine[]> =>
  queries.rows(
    'take_due_routines',
    `${runnable} where r.id in (
         (select id from routines where next_run_at <= $1 order by next_run_at limit $2) union all (${waitingIds} limit $2) limit $2)
       and (r.next_run_at <= $1 or r.waiting <> '{}') and not ${isRestoreHeld}
     for no key update of r skip locked`,
    [now, most],
  )

/** Whether the run of a fire exists, and whether another run of the routine is active. */
export const stateOfFire = async (
  queries: Queries,
  routineId: number,
  runKey: string,
): Promise<{ there: boolean; busy: boolean }> => {
  const [state] = await queries.rows<{ there: boolean; busy: boolean }>(
    'state_of_fire',
    `select exists (select from runs where id = $2) as there,
       exists (select from runs where routine_id = $1 and ended_at is null and id <> $2) as busy`,
    [routineId, runKey],
  )
  return state ?? { there: false, busy: false }
}

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

/** Writes the next due times of routines this transaction holds, and what became of their fires. */
export const moveOn = async (queries: Queries, fired: FiredRoutine[]): Promise<void> => {
  await keepFires(queries, fired)
  await queries.rows(
    'move_routines_on',
    `update routines r set next_run_at = u.next_run_at, waiting = u.waiting,
       last_skipped_at = coalesce(u.skipped_at, r.last_skipped_at),
       last_skip_reason = coalesce(u.skip_reason, r.last_skip_reason)
     from jsonb_to_recordset($1::jsonb) u(id bigint, next_run_at timestamptz, waiting timestamptz[], skipped_at timestamptz,
       skip_reason text)
     where r.id = u.id`,
    [
      JSON.stringify(
        fired.map(({ skipped, outcomes: _, ...one }) => ({
          ...one,
          skipped_at: skipped?.at,
          skip_reason: skipped?.reason,
        })),
      ),
    ],
  )
}
