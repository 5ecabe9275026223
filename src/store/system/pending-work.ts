import { int, queryRow, type Row } from '../database/table.ts'

/** What a restored server would do beside its open runs. */
const held = {
  /** Routines that are not paused. */
  routines: int,
  /** Webhooks that were to be delivered. */
  webhooks: int,
  bulk_actions: int,
}
export type HeldWork = Row<typeof held>

/** Counts what waits in a restored database. */
export const countHeld = queryRow(
  'count_held_work',
  held,
  `select (select count(*) from routines where next_run_at is not null or waiting <> '{}')::int as routines,
     (select count(*) from webhook_queue)::int as webhooks,
     (select count(*) from bulk_actions where state = 'running')::int as bulk_actions`,
)
