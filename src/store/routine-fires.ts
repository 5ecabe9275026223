import type { RunStatus } from '../model/workflows/workflow.ts'
import type { Queries } from './database/database.ts'
import { change, moment, oneOf, orNull, query, type Row, text, textOf } from './database/table.ts'

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
