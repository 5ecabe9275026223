import type { EventState } from '../../model/events/sent-event.ts'
import type { Queries } from '../database/database.ts'
import { namesOf, query } from '../database/table.ts'
import { eventWaitOfRun, isWaiting } from './event-waits.ts'
import { events } from './events.ts'

const listed = (isState: string) => `select ${namesOf(events.columns)} from events
     where collection_id = $1 and number < coalesce($2::bigint, 9223372036854775807) ${isState}
     order by number desc limit $3`
const values = (collectionId: number, page: EventPage) => [
  ...[collectionId, page.before ?? null, page.limit],
  ...(page.state ? [page.state] : []),
]
const listedOfAll = query('listed_events', events.columns, listed(''), values)
const listedOfState = query('listed_events_of_state', events.columns, listed('and state = $4'), values)

interface EventPage {
  state: EventState | undefined
  before: number | undefined
  limit: number
}

/** Lists received events of a collection before a number, newest first. */
export const listedEvents = (queries: Queries, collectionId: number, page: EventPage) =>
  (page.state ? listedOfState : listedOfAll)(queries, collectionId, page)

/** Lists steps of a collection that wait for an event, after a number, the longest wait first. */
export const listedEventWaits = query(
  'listed_event_waits',
  eventWaitOfRun,
  `select w.run_id, w.seq, w.number, w.step, w.event, w.key, w.payload_schema, w.waits_since, w.expires_at, w.outcome,
       w.ended_at, w.event_id, null as payload, w.sent_by, w.received_at, r.trajectory_id, r.name
     from event_waits w join runs r on r.id = w.run_id and r.ended_at is null
     where w.collection_id = $1 and w.number > $2 and ${isWaiting} order by w.number limit $3`,
  (collectionId: number, page: { after: number; limit: number }) => [collectionId, page.after, page.limit],
)
