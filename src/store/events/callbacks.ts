import type { Queries } from '../database/database.ts'

/** Finds the run that a callback is for. */
export const findCallbackRun = async (
  queries: Queries,
  runKey: string,
): Promise<{ collection_id: number; trajectory_id: string } | undefined> =>
  (
    await queries.rows<{ collection_id: number; trajectory_id: string }>(
      'find_callback_run',
      'select collection_id, trajectory_id from runs where id = $1',
      [runKey],
    )
  )[0]

/** Whether a run is open, and how many callbacks are kept for it. */
export const callbacksOfRun = async (queries: Queries, runKey: string): Promise<{ open: boolean; kept: number }> => {
  const [row] = await queries.rows<{ open: boolean; kept: number }>(
    'callbacks_of_run',
    `select exists (select from runs where id = $1 and ended_at is null) as open,
       (select count(*)::int from events where run_id = $1 and state = 'kept') as kept`,
    [runKey],
  )
  return row ?? { open: false, kept: 0 }
}
