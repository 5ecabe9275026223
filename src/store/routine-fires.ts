import type { RunStatus } from '../model/workflows/workflow.ts'
import type { Queries } from './database/database.ts'

/** The outcome of a fire of a routine. */
export interface FireOutcome {
  at: Date
  outcome: 'started' | 'skipped' | 'missed'
  reason: string | null
}

/** Fires that are kept of each routine, the newest ones. */
const mostKept = 500
/** One in this many fires removes old ones: the removal reads all that are kept. */
const trimmedOnceIn = 50

/** Stores what became of fires, once for each. */
export const keepFires = async (
  queries: Queries,
  fired: readonly { id: number; outcomes: readonly FireOutcome[] }[],
): Promise<void> => {
  const rows = fired.flatMap(({ id, outcomes }) => outcomes.map((outcome) => ({ id, ...outcome })))
  if (rows.length === 0) return
  await queries.rows(
    'keep_fires',
    `insert into routine_fires (routine_id, fire_at, outcome, reason)
     select id, at, outcome, reason
     from jsonb_to_recordset($1::jsonb) f(id bigint, at timestamptz, outcome text, reason text)
     on conflict (routine_id, fire_at) do nothing`,
    [JSON.stringify(rows)],
  )
  const trimmed = fired.filter(() => Math.random() * trimmedOnceIn < 1).map(({ id }) => id)
  if (trimmed.length === 0) return
  await queries.rows(
    'trim_fires',
    `delete from routine_fires f using unnest($1::bigint[]) r(id)
     where f.routine_id = r.id and f.fire_at < (
       select fire_at from routine_fires k where k.routine_id = r.id order by fire_at desc offset ${mostKept - 1} limit 1)`,
    [trimmed],
  )
}

/** Lists the fires of a routine with their outcomes, newest first. */
export const firesOf = (queries: Queries, routineId: number, limit: number): Promise<FireOutcome[]> =>
  queries.rows(
    'fires_of_routine',
    `select fire_at as at, outcome, reason from routine_fires
     where routine_id = $1 order by fire_at desc limit $2`,
    [routineId, limit],
  )

/** A run that a fire started. */
interface FiredRun {
  id: string
  trajectory_id: string
  status: RunStatus
}

/** Finds the runs with these keys. */
export const firedRuns = (queries: Queries, runKeys: readonly string[]): Promise<FiredRun[]> =>
  queries.rows('fired_runs', 'select id, trajectory_id, status from runs where id = any($1::text[])', [runKeys])
