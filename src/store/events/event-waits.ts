import type { EventAddress } from '../../model/events/sent-event.ts'
import type { Queries } from '../database/database.ts'
import {
  bigint,
  change,
  int,
  moment,
  orNull,
  pick,
  queryOne,
  queryValue,
  type Row,
  table,
  text,
  textOf,
} from '../database/table.ts'
import { runs } from '../runs/runs.ts'
import { lockAddress } from './event-lock.ts'

/** A step that waits for an event, and what came of it. */
const eventWaits = table('event_waits', {
  run_id: text,
  seq: int,
  number: bigint,
  step: text,
  event: text,
  key: text,
  /** JSON text. */
  payload_schema: orNull(text),
  waits_since: moment,
  expires_at: orNull(moment),
  outcome: orNull(textOf<'received' | 'timed_out'>()),
  ended_at: orNull(moment),
  event_id: orNull(text),
  /** JSON text. */
  payload: orNull(text),
  sent_by: orNull(text),
  received_at: orNull(moment),
})
export type EventWaitRow = Row<typeof eventWaits.columns>

/** A waiting step with the names of its run; `name` is `collection/task`. */
export const eventWaitOfRun = { ...eventWaits.columns, ...pick(runs.columns, ['trajectory_id', 'name']) }
export type EventWaitOfRun = Row<typeof eventWaitOfRun>

const columns = eventWaits.of('w')

interface NewWait
  extends Pick<EventWaitRow, 'run_id' | 'seq' | 'step' | 'event' | 'key' | 'payload_schema' | 'expires_at'> {
  /** Name of the step in the workflow. */
  callback: string
  address: EventAddress
  ofCallback: EventAddress
}

/**
 * Stores that a step of an open run waits; an existing row stays. Holds the locks of both addresses: a sender has either
 * committed before, so that its event is found afterwards, or sees this row.
 */
export const requestEvent = change(
  'request_event',
  `with locked as materialized (select ${lockAddress('$9')} as one, ${lockAddress('$10')} as other)
     insert into event_waits (run_id, seq, collection_id, step, callback, event, key, payload_schema, expires_at)
     select r.id, $2, r.collection_id, $3, $4, $5, $6, $7, $8 from locked, runs r where r.id = $1 and r.ended_at is null
     on conflict (run_id, seq) do nothing`,
  (wait: NewWait) => [
    ...[wait.run_id, wait.seq, wait.step, wait.callback, wait.event, wait.key, wait.payload_schema, wait.expires_at],
    ...[wait.address, wait.ofCallback].map(addressText),
  ],
)

/** Text of an address that its lock is made of. */
export const addressText = ({ collectionId, runKey, event, key }: EventAddress): string =>
  JSON.stringify([collectionId, runKey, event, key])

export const findEventWait = queryOne(
  'find_event_wait',
  eventWaits.columns,
  `select ${columns} from event_waits w where w.run_id = $1 and w.seq = $2`,
  (runKey: string, seq: number) => [runKey, seq],
)

/** Steps whose wait has an end do not get what comes after it, though they may not have noticed yet. */
export const isWaiting = 'w.outcome is null and (w.expires_at is null or w.expires_at > now())'

const open = `select ${columns}, r.trajectory_id, r.name from event_waits w
    join runs r on r.id = w.run_id and r.ended_at is null where ${isWaiting}`
const firstOfEvent = queryOne(
  'first_event_wait',
  eventWaitOfRun,
  `${open} and w.collection_id = $1 and w.event = $2 and w.key = $3 order by w.number limit 1`,
  (at: EventAddress) => [at.collectionId, at.event, at.key],
)
const firstOfCallback = queryOne(
  'first_callback_wait',
  eventWaitOfRun,
  `${open} and w.run_id = $1 and w.callback = $2 order by w.number limit 1`,
  (at: EventAddress) => [at.runKey, at.event],
)

/** Finds the step that has waited longest for an address. */
export const firstEventWait = (queries: Queries, at: EventAddress) =>
  (at.runKey === null ? firstOfEvent : firstOfCallback)(queries, at)

/** An event that a step receives at this moment. */
interface Delivery {
  eventId: string
  /** JSON text. */
  payload: string
  sentBy: string
}

const deliver = queryValue(
  'deliver_event',
  { received: int },
  `with run as materialized (select id from runs where id = $1 and ended_at is null for no key update),
     received as (
       update event_waits w set outcome = 'received', ended_at = now(), event_id = $3, payload = $4, sent_by = $5,
         received_at = now()
       from run where w.run_id = run.id and w.seq = $2 and ${isWaiting} returning w.run_id),
     woken as (
       update runs r set decided_seq = $2, wake_at = case when r.lease is null then now() else r.wake_at end
       from received where r.id = received.run_id returning pg_notify(channel('decisions'), r.id))
     select count(*)::int as received from woken`,
  ({ run_id, seq }: Pick<EventWaitRow, 'run_id' | 'seq'>, { eventId, payload, sentBy }: Delivery) => [
    ...[run_id, seq, eventId, payload, sentBy],
  ],
)

/**
 * Gives an event to a waiting step and wakes its run; false when it waits no more. Locks the run's row first and notes
 * the step there, as `decideApproval` does and for the same reason.
 */
export const deliverEvent = async (...given: Parameters<typeof deliver>): Promise<boolean> =>
  (await deliver(...given)) === 1

/** Ends a wait whose time is over; undefined when an event came first. */
export const expireEventWait = queryOne(
  'expire_event_wait',
  eventWaits.columns,
  `update event_waits w set outcome = 'timed_out', ended_at = now()
       where w.run_id = $1 and w.seq = $2 and w.outcome is null returning ${columns}`,
  (runKey: string, seq: number) => [runKey, seq],
)

/** Withdraws the wait of a step that was interrupted. */
export const withdrawEventWait = change(
  'withdraw_event_wait',
  'delete from event_waits where run_id = $1 and seq = $2 and outcome is null',
  (runKey: string, seq: number) => [runKey, seq],
)
