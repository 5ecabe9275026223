import type { Queries } from '../database/database.ts'

/** What a restored server would do beside its open runs. */
export interface HeldWork {
  /** Routines that are not paused. */
  routines: number
  /** Webhooks that were to be delivered. */
  webhooks: number
  bulk_actions: number
}

/** Counts what waits in a restored database. */
export const countHeld = async (queries: Queries): Promise<HeldWork> => {
  const [row] = await queries.rows<HeldWork>(
    'count_held_work',
    `select (select count(*) from routines where next_run_at is not null or waiting <> '{}')::int as routines,
       (select count(*) from webhook_queue)::int as webhooks,
       (select count(*) from bulk_actions where state = 'running')::int as bulk_actions`,
  )
  return row ?? { routines: 0, webhooks: 0, bulk_actions: 0 }
}
