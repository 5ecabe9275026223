import { batched } from '../../lib/batch.ts'
import type { Database } from '../database/database.ts'
import { bigint, change, int, query } from '../database/table.ts'

/** One call of a key; `collectionId` 0 stands for all collections without a limit of their own. */
export interface CountedCall {
  keyId: number
  collectionId: number
}

/** A start in the future means that the clock was set back. */
const isOver = 'abs(extract(epoch from now() - w.started_at)) >= 60'

const count = query(
  'count_calls',
  { key_id: bigint, collection_id: bigint, calls: int, seconds_left: int },
  `insert into call_windows as w (key_id, collection_id, started_at, calls)
       select key_id, collection_id, now(), calls
       from unnest($1::bigint[], $2::bigint[], $3::int[]) n(key_id, collection_id, calls) order by 1, 2
       on conflict (key_id, collection_id) do update set
         started_at = case when ${isOver} then now() else w.started_at end,
         calls = case when ${isOver} then excluded.calls else w.calls + excluded.calls end
       returning key_id, collection_id, calls,
         greatest(1, least(60, ceil(extract(epoch from w.started_at + interval '1 minute' - now()))))::int as seconds_left`,
  (all: (CountedCall & { calls: number })[]) => [
    ...[all.map((one) => one.keyId), all.map((one) => one.collectionId), all.map((one) => one.calls)],
  ],
)

/**
 * Counts calls in one-minute windows that start with their first call, across all processes of a database; concurrent
 * calls share one statement. Returns the call's number in its window and the seconds until the window ends.
 */
export const makeCallCounter = (
  database: Database,
): ((call: CountedCall) => Promise<{ calls: number; secondsLeft: number }>) =>
  batched(async (counted) => {
    const together = new Map<string, CountedCall & { calls: number; shown: number }>()
    const entries = counted.map((call) => {
      const name = `${call.keyId}/${call.collectionId}`
      const entry = together.get(name) ?? { ...call, calls: 0, shown: 0 }
      entry.calls++
      together.set(name, entry)
      return entry
    })
    const rows = await count(database, [...together.values()])
    const windows = new Map(rows.map((row) => [`${row.key_id}/${row.collection_id}`, row]))
    return entries.map((entry) => {
      const window = windows.get(`${entry.keyId}/${entry.collectionId}`) as (typeof rows)[number]
      return { calls: window.calls - entry.calls + ++entry.shown, secondsLeft: window.seconds_left }
    })
  })

/** Deletes old windows. The server calls it periodically. */
export const sweepCallWindows = change(
  'sweep_call_windows',
  // No index: the table has one row for each key and limited collection, and an index would cost every call.
  `delete from call_windows where started_at not between now() - interval '10 minutes' and now() + interval '10 minutes'`,
)
