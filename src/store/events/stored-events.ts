import type { EventAddress, EventTaker } from '../../model/events/sent-event.ts'
import { change, int, pick, query, queryValue, text } from '../database/table.ts'
import { events } from './events.ts'

const keptAtOnce = 20

/** Lists events that were kept for an address, with their payloads as JSON text, oldest first; at most 20. */
export const listStoredEvents = query(
  'kept_events',
  { ...pick(events.columns, ['number', 'event_id']), payload: text },
  `select number, event_id, payload from events
     where collection_id = $1 and event = $2 and key = $3 and coalesce(run_id, '') = $4 and state = 'kept'
       and expires_at > now() order by number limit ${keptAtOnce}`,
  (at: EventAddress) => [at.collectionId, at.event, at.key, at.runKey ?? ''],
)

const take = queryValue(
  'take_kept_event',
  { taken: int },
  `with kept as materialized (
       select * from events where number = $1 and state = 'kept' and expires_at > now() for update),
     received as (
       update event_waits w set outcome = 'received', ended_at = now(), event_id = kept.event_id, payload = kept.payload,
         sent_by = kept.sent_by, received_at = kept.received_at
       from kept where w.run_id = $2 and w.seq = $3 and w.outcome is null returning 1),
     taken as (
       update events e set state = 'delivered', payload = null, taken_by = $4 from received where e.number = $1 returning 1)
     select count(*)::int as taken from taken`,
  (number: number, { runKey, seq, taker }: { runKey: string; seq: number; taker: EventTaker }) => [
    ...[number, runKey, seq, JSON.stringify(taker)],
  ],
)

/** Gives a kept event to the step that waits for it; false when either is gone. */
export const takeStoredEvent = async (...given: Parameters<typeof take>): Promise<boolean> =>
  (await take(...given)) === 1

/** Marks a kept event whose payload does not fit the step that wanted it. */
export const refuseStoredEvent = change(
  'refuse_kept_event',
  `update events set state = 'refused', payload = null, reason = $2, taken_by = $3 where number = $1 and state = 'kept'`,
  (number: number, { reason, taker }: { reason: string; taker: EventTaker }) => [number, reason, JSON.stringify(taker)],
)
