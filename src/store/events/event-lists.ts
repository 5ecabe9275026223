import type { EventState, EventWaitOfRun, ReceivedEventRow } from '../../model/events/event-row.ts'
import type { Queries } from '../database/database.ts'
import { isWaiting } from './event-waits.ts'

/** Lists received events of a collection before a number, newest first. */
export const listedEvents = (
  queries: Queries,
  collectionId: number,
  page: { state: EventState | undefined; before: number | undefined; limit: number },
): Promise<ReceivedEventRow[]> =>
  queries.rows<ReceivedEventRow>(
    page.state ? 'listed_events_of_state' : 'listed_events',
    `select number, event, key, run_id, event_id, payload_hash, bytes, state, reason, taken_by, sent_by, received_at,
       expires_at from events
     where collection_id = $1 and number < coalesce($2::bigint, 9223372036854775807) ${page.state ? 'and state = $4' : ''}
     order by number desc limit $3`,
    [collectionId, page.before ?? null, page.limit, ...(page.state ? [page.state] : [])],
  )

/** Lists steps of a collection that wait for an event, after a number, the longest wait first. */
export const listedEventWaits = (
  queries: Queries,
  collectionId: number,
  page: { after: number; limit: number },
): Promise<EventWaitOfRun[]> =>
  queries.rows<EventWaitOfRun>(
    'listed_event_waits',
    `select w.run_id, w.seq, w.number, w.step, w.event, w.key, w.payload_schema, w.waits_since, w.expires_at, w.outcome,
       w.ended_at, w.event_id, null as payload, w.sent_by, w.received_at, r.trajectory_id, r.name
     from event_waits w join runs r on r.id = w.run_id and r.ended_at is null
     where w.collection_id = $1 and w.number > $2 and ${isWaiting} order by w.number limit $3`,
    [collectionId, page.after, page.limit],
  )
