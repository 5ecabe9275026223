import type { EventAddress, EventTaker } from '../../model/events/event-row.ts'
import type { Queries } from '../database/database.ts'

/** An event that was kept, with its payload. */
interface KeptEvent {
  number: number
  event_id: string
  /** JSON text. */
  payload: string
}

const keptAtOnce = 20

/** Lists events that were kept for an address, oldest first; at most 20. */
export const listStoredEvents = (queries: Queries, at: EventAddress): Promise<KeptEvent[]> =>
  queries.rows<KeptEvent>(
    'kept_events',
    `select number, event_id, payload from events
     where collection_id = $1 and event = $2 and key = $3 and coalesce(run_id, '') = $4 and state = 'kept'
       and expires_at > now() order by number limit ${keptAtOnce}`,
    [at.collectionId, at.event, at.key, at.runKey ?? ''],
  )

/** Gives a kept event to the step that waits for it; false when either is gone. */
export const takeStoredEvent = async (
  queries: Queries,
  number: number,
  { runKey, seq, taker }: { runKey: string; seq: number; taker: EventTaker },
): Promise<boolean> => {
  const [row] = await queries.rows<{ taken: number }>(
    'take_kept_event',
    `with kept as materialized (
       select * from events where number = $1 and state = 'kept' and expires_at > now() for update),
     received as (
       update event_waits w set outcome = 'received', ended_at = now(), event_id = kept.event_id, payload = kept.payload,
         sent_by = kept.sent_by, received_at = kept.received_at
       from kept where w.run_id = $2 and w.seq = $3 and w.outcome is null returning 1),
     taken as (
       update events e set state = 'delivered', payload = null, taken_by = $4 from received where e.number = $1 returning 1)
     select count(*)::int as taken from taken`,
    [number, runKey, seq, JSON.stringify(taker)],
  )
  return row?.taken === 1
}

/** Marks a kept event whose payload does not fit the step that wanted it. */
export const refuseStoredEvent = async (
  queries: Queries,
  number: number,
  { reason, taker }: { reason: string; taker: EventTaker },
): Promise<void> => {
  await queries.rows(
    'refuse_kept_event',
    `update events set state = 'refused', payload = null, reason = $2, taken_by = $3 where number = $1 and state = 'kept'`,
    [number, reason, JSON.stringify(taker)],
  )
}
