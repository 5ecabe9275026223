import type { EventAddress, EventWaitOfRun, EventWaitRow } from '../../model/events/event-row.ts'
import type { Queries } from '../database/database.ts'
import { lockAddress } from './event-lock.ts'

const columns = `w.run_id, w.seq, w.number, w.step, w.event, w.key, w.payload_schema, w.waits_since, w.expires_at,
  w.outcome, w.ended_at, w.event_id, w.payload, w.sent_by, w.received_at`

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
export const requestEvent = async (queries: Queries, wait: NewWait): Promise<void> => {
  await queries.rows(
    'request_event',
    `with locked as materialized (select ${lockAddress('$9')} as one, ${lockAddress('$10')} as other)
     insert into event_waits (run_id, seq, collection_id, step, callback, event, key, payload_schema, expires_at)
     select r.id, $2, r.collection_id, $3, $4, $5, $6, $7, $8 from locked, runs r where r.id = $1 and r.ended_at is null
     on conflict (run_id, seq) do nothing`,
    [
      wait.run_id,
      wait.seq,
      wait.step,
      wait.callback,
      wait.event,
      wait.key,
      wait.payload_schema,
      wait.expires_at,
      ...[wait.address, wait.ofCallback].map(addressText),
    ],
  )
}

/** Text of an address that its lock is made of. */
export const addressText = ({ collectionId, runKey, event, key }: EventAddress): string =>
  JSON.stringify([collectionId, runKey, event, key])

export const findEventWait = async (queries: Queries, runKey: string, seq: number): Promise<EventWaitRow | undefined> =>
  (
    await queries.rows<EventWaitRow>(
      'find_event_wait',
      `select ${columns} from event_waits w where w.run_id = $1 and w.seq = $2`,
      [runKey, seq],
    )
  )[0]

/** Steps whose wait has an end do not get what comes after it, though they may not have noticed yet. */
export const isWaiting = 'w.outcome is null and (w.expires_at is null or w.expires_at > now())'

/** Finds the step that has waited longest for an address. */
export const firstEventWait = async (queries: Queries, at: EventAddress): Promise<EventWaitOfRun | undefined> => {
  const open = `select ${columns}, r.trajectory_id, r.name from event_waits w
    join runs r on r.id = w.run_id and r.ended_at is null where ${isWaiting}`
  const [row] =
    at.runKey === null
      ? await queries.rows<EventWaitOfRun>(
          'first_event_wait',
          `${open} and w.collection_id = $1 and w.event = $2 and w.key = $3 order by w.number limit 1`,
          [at.collectionId, at.event, at.key],
        )
      : await queries.rows<EventWaitOfRun>(
          'first_callback_wait',
          `${open} and w.run_id = $1 and w.callback = $2 order by w.number limit 1`,
          [at.runKey, at.event],
        )
  return row
}

/** An event that a step receives at this moment. */
interface Delivery {
  eventId: string
  /** JSON text. */
  payload: string
  sentBy: string
}

/**
 * Gives an event to a waiting step and wakes its run; false when it waits no more. Locks the run's row first and notes
 * the step there, as `decideApproval` does and for the same reason.
 */
export const deliverEvent = async (
  queries: Queries,
  { run_id, seq }: Pick<EventWaitRow, 'run_id' | 'seq'>,
  { eventId, payload, sentBy }: Delivery,
): Promise<boolean> => {
  const [row] = await queries.rows<{ received: number }>(
    'deliver_event',
    `with run as materialized (select id from runs where id = $1 and ended_at is null for no key update),
     received as (
       update event_waits w set outcome = 'received', ended_at = now(), event_id = $3, payload = $4, sent_by = $5,
         received_at = now()
       from run where w.run_id = run.id and w.seq = $2 and ${isWaiting} returning w.run_id),
     woken as (
       update runs r set decided_seq = $2, wake_at = case when r.lease is null then now() else r.wake_at end
       from received where r.id = received.run_id returning pg_notify(channel('decisions'), r.id))
     select count(*)::int as received from woken`,
    [run_id, seq, eventId, payload, sentBy],
  )
  return row?.received === 1
}

/** Ends a wait whose time is over; undefined when an event came first. */
export const expireEventWait = async (
  queries: Queries,
  runKey: string,
  seq: number,
): Promise<EventWaitRow | undefined> =>
  (
    await queries.rows<EventWaitRow>(
      'expire_event_wait',
      `update event_waits w set outcome = 'timed_out', ended_at = now()
       where w.run_id = $1 and w.seq = $2 and w.outcome is null returning ${columns}`,
      [runKey, seq],
    )
  )[0]

/** Withdraws the wait of a step that was interrupted. */
export const withdrawEventWait = async (queries: Queries, runKey: string, seq: number): Promise<void> => {
  await queries.rows(
    'withdraw_event_wait',
    'delete from event_waits where run_id = $1 and seq = $2 and outcome is null',
    [runKey, seq],
  )
}
