import { bool, int, pick, queryOne, queryRow } from '../database/table.ts'
import { runs } from '../runs/runs.ts'

/** Finds the run that a callback is for. */
export const findCallbackRun = queryOne(
  'find_callback_run',
  pick(runs.columns, ['collection_id', 'trajectory_id']),
  'select collection_id, trajectory_id from runs where id = $1',
  (runKey: string) => [runKey],
)

/** Whether a run is open, and how many callbacks are kept for it. */
export const callbacksOfRun = queryRow(
  'callbacks_of_run',
  { open: bool, kept: int },
  `select exists (select from runs where id = $1 and ended_at is null) as open,
       (select count(*)::int from events where run_id = $1 and state = 'kept') as kept`,
  (runKey: string) => [runKey],
)
