import type { EventAddress, EventState, EventTaker, NewEvent } from '../../model/events/sent-event.ts'
import type { Queries } from '../database/database.ts'
import {
  bigint,
  change,
  int,
  moment,
  orNull,
  query,
  queryOne,
  queryRow,
  table,
  text,
  textOf,
} from '../database/table.ts'
import { lockAddress } from './event-lock.ts'
import { addressText } from './event-waits.ts'

/** A received event, without its payload. */
export const events = table('events', {
  number: bigint,
  event: text,
  key: text,
  run_id: orNull(text),
  event_id: text,
  payload_hash: text,
  bytes: int,
  state: textOf<EventState>(),
  reason: orNull(text),
  /** JSON text of an `EventTaker`. */
  taken_by: orNull(text),
  sent_by: text,
  received_at: moment,
  expires_at: moment,
})
const columns = events.of('e')

/**
 * Waits until no other statement sends to, or begins to wait for, an address; until the transaction ends. Locks the
 * collection before any run, as its deletion does; false when it is gone.
 */
export const lockEventAddress = change(
  'lock_event_address',
  `with locked as materialized (select ${lockAddress('$1')})
       select c.id from locked, collections c where c.id = $2 for key share of c`,
  (at: EventAddress) => [addressText(at), at.collectionId],
)

/** Finds an event by its id at an address. */
export const findEvent = queryOne(
  'find_event',
  events.columns,
  `select ${columns} from events e
       where e.collection_id = $1 and e.event = $2 and e.key = $3 and coalesce(e.run_id, '') = $4 and e.event_id = $5`,
  (at: EventAddress & { eventId: string }) => [at.collectionId, at.event, at.key, at.runKey ?? '', at.eventId],
)

/** Seconds for which a repeated event is recognised, at least. */
const receiptSeconds = 86_400

interface StoredEvent extends Omit<NewEvent, 'payload' | 'eventId'> {
  eventId: string
  /** JSON text; null: a run has it already. */
  payload: string | null
  payloadHash: string
  bytes: number
  state: EventState
  taker: EventTaker | null
}

/** Stores an event. */
export const insertEvent = queryRow(
  'insert_event',
  events.columns,
  `insert into events as e (collection_id, event, key, run_id, event_id, payload_hash, payload, bytes, state, taken_by,
       sent_by, expires_at, forget_at)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, now() + $12::float8 * interval '1 second',
       now() + greatest($12::float8, ${receiptSeconds}) * interval '1 second')
     returning ${columns}`,
  ({ taker, ...event }: StoredEvent) => [
    ...[event.collectionId, event.event, event.key, event.runKey, event.eventId, event.payloadHash, event.payload],
    ...[event.bytes, event.state, taker && JSON.stringify(taker), event.sentBy, event.keepSeconds],
  ],
)

/** Removes an event; false when a run has taken it. */
export const forgetEvent = change(
  'forget_event',
  `delete from events where number = $1 and state <> 'delivered' returning 1`,
  (number: number) => [number],
)

/** Waits until no other sender keeps an event of a collection; until the transaction ends. Count afterwards. */
export const lockKeptEvents = change('lock_kept_events', `select ${lockAddress('$1')}`, (collectionId: number) => [
  `kept ${collectionId}`,
])

/** Counts the kept events of a collection and their bytes. */
export const countKeptEvents = queryRow(
  'count_kept_events',
  { total: int, bytes: bigint },
  `select count(*)::int as total, coalesce(sum(bytes), 0)::bigint as bytes from events
     where collection_id = $1 and state = 'kept'`,
  (collectionId: number) => [collectionId],
)

/** Removes a kept event; false when there is none with this number. */
export const discardEvent = change(
  'discard_event',
  `delete from events where collection_id = $1 and number = $2 and state = 'kept' returning 1`,
  (collectionId: number, number: number) => [collectionId, number],
)

const sweptAtOnce = 1_000

const sweeps = [
  query(
    'expire_events',
    {},
    `update events set state = 'expired', payload = null where number in (
      select number from events where state = 'kept' and expires_at <= now() order by expires_at limit ${sweptAtOnce}
      for update skip locked) returning 1`,
  ),
  query(
    'forget_events',
    {},
    `delete from events where number in (
      select number from events where forget_at <= now() and state <> 'kept' order by forget_at limit ${sweptAtOnce}
      for update skip locked) returning 1`,
  ),
  // The step has recorded the payload.
  query(
    'sweep_event_waits',
    {},
    `delete from event_waits where (run_id, seq) in (
      select w.run_id, w.seq from event_waits w join steps s on s.run_id = w.run_id and s.seq = w.seq
      where w.outcome is not null and w.ended_at < now() - interval '1 hour' and s.ended_at is not null
      order by w.ended_at limit ${sweptAtOnce}) returning 1`,
  ),
]

/** Marks events that no run took in time, and removes receipts and waits that are not needed any more. */
export const sweepEvents = async (queries: Queries): Promise<void> => {
  for (const sweep of sweeps) while ((await sweep(queries)).length === sweptAtOnce) {}
}
