import type { EventAddress, EventState, EventTaker, NewEvent, ReceivedEventRow } from '../../model/events/event-row.ts'
import type { Queries } from '../database/database.ts'
import { lockAddress } from './event-lock.ts'
import { addressText } from './event-waits.ts'

const columns = `e.number, e.event, e.key, e.run_id, e.event_id, e.payload_hash, e.bytes, e.state, e.reason, e.taken_by,
  e.sent_by, e.received_at, e.expires_at`

/**
 * Waits until no other statement sends to, or begins to wait for, an address; until the transaction ends. Locks the
 * collection before any run, as its deletion does; false when it is gone.
 */
export const lockEventAddress = async (queries: Queries, at: EventAddress): Promise<boolean> =>
  (
    await queries.rows(
      'lock_event_address',
      `with locked as materialized (select ${lockAddress('$1')})
       select c.id from locked, collections c where c.id = $2 for key share of c`,
      [addressText(at), at.collectionId],
    )
  ).length > 0

/** Finds an event by its id at an address. */
export const findEvent = async (
  queries: Queries,
  at: EventAddress & { eventId: string },
): Promise<ReceivedEventRow | undefined> =>
  (
    await queries.rows<ReceivedEventRow>(
      'find_event',
      `select ${columns} from events e
       where e.collection_id = $1 and e.event = $2 and e.key = $3 and coalesce(e.run_id, '') = $4 and e.event_id = $5`,
      [at.collectionId, at.event, at.key, at.runKey ?? '', at.eventId],
    )
  )[0]

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
export const insertEvent = async (queries: Queries, event: StoredEvent): Promise<ReceivedEventRow> => {
  const rows = await queries.rows<ReceivedEventRow>(
    'insert_event',
    `insert into events as e (collection_id, event, key, run_id, event_id, payload_hash, payload, bytes, state, taken_by,
       sent_by, expires_at, forget_at)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, now() + $12::float8 * interval '1 second',
       now() + greatest($12::float8, ${receiptSeconds}) * interval '1 second')
     returning ${columns}`,
    [
      event.collectionId,
      event.event,
      event.key,
      event.runKey,
      event.eventId,
      event.payloadHash,
      event.payload,
      event.bytes,
      event.state,
      event.taker && JSON.stringify(event.taker),
      event.sentBy,
      event.keepSeconds,
    ],
  )
  return rows[0] as ReceivedEventRow
}

/** Removes an event; false when a run has taken it. */
export const forgetEvent = async (queries: Queries, number: number): Promise<boolean> =>
  (
    await queries.rows('forget_event', `delete from events where number = $1 and state <> 'delivered' returning 1`, [
      number,
    ])
  ).length > 0

/** Waits until no other sender keeps an event of a collection; until the transaction ends. Count afterwards. */
export const lockKeptEvents = async (queries: Queries, collectionId: number): Promise<void> => {
  await queries.rows('lock_kept_events', `select ${lockAddress('$1')}`, [`kept ${collectionId}`])
}

/** Counts the kept events of a collection and their bytes. */
export const countKeptEvents = async (
  queries: Queries,
  collectionId: number,
): Promise<{ total: number; bytes: number }> => {
  const [row] = await queries.rows<{ total: number; bytes: number }>(
    'count_kept_events',
    `select count(*)::int as total, coalesce(sum(bytes), 0)::bigint as bytes from events
     where collection_id = $1 and state = 'kept'`,
    [collectionId],
  )
  return row ?? { total: 0, bytes: 0 }
}

/** Removes a kept event; false when there is none with this number. */
export const discardEvent = async (queries: Queries, collectionId: number, number: number): Promise<boolean> =>
  (
    await queries.rows(
      'discard_event',
      `delete from events where collection_id = $1 and number = $2 and state = 'kept' returning 1`,
      [collectionId, number],
    )
  ).length > 0

const sweptAtOnce = 1_000

/** Marks events that no run took in time, and removes receipts and waits that are not needed any more. */
export const sweepEvents = async (queries: Queries): Promise<void> => {
  const sweeps = {
    expire_events: `update events set state = 'expired', payload = null where number in (
      select number from events where state = 'kept' and expires_at <= now() order by expires_at limit ${sweptAtOnce}
      for update skip locked) returning 1`,
    forget_events: `delete from events where number in (
      select number from events where forget_at <= now() and state <> 'kept' order by forget_at limit ${sweptAtOnce}
      for update skip locked) returning 1`,
    // The step has recorded the payload.
    sweep_event_waits: `delete from event_waits where (run_id, seq) in (
      select w.run_id, w.seq from event_waits w join steps s on s.run_id = w.run_id and s.seq = w.seq
      where w.outcome is not null and w.ended_at < now() - interval '1 hour' and s.ended_at is not null
      order by w.ended_at limit ${sweptAtOnce}) returning 1`,
  }
  for (const [name, text] of Object.entries(sweeps)) {
    while ((await queries.rows(name, text)).length === sweptAtOnce) {}
  }
}
