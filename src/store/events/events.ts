import type { EventAddress, EventState, EventTaker, NewEvent } from '../../model/events/sent-event.ts'
import type { Queries } from '../database/database.ts'
import {
  bigint,
  bool,
  change,
  int,
  moment,
  namesOf,
  orNull,
  pick,
  query,
  queryOne,
  queryRow,
  queryValue,
  type Row,
  table,
  text,
  textOf,
} from '../database/table.ts'
import { lockedRun, wakeRunsOf } from '../runs/answers.ts'
import { runs } from '../runs/runs.ts'

/** Finds the run that a callback is for. */
export const findCallbackRun = queryOne(
  'find_callback_run',
  pick(runs.columns, ['collection_id', 'trajectory_id']),
  'select collection_id, trajectory_id from runs where id = $1',
  (runKey: string) => [runKey],
)

/** Whether a run is open, and how many callbacks are kept for it. */
export const callbacksOfRun = queryRow(
  'callbacks_of_run',
  { open: bool, kept: int },
  `select exists (select from runs where id = $1 and ended_at is null) as open,
       (select count(*)::int from events where run_id = $1 and state = 'kept') as kept`,
  (runKey: string) => [runKey],
)

const lockSeed = 104

/** SQL expression: waits for the lock of an address, or of what a collection keeps; held until the transaction ends. `text` is its text. */
const lockAddress = (text: string): string => `pg_advisory_xact_lock(hashtextextended(${text}, ${lockSeed}))`

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
const eventWaitOfRun = { ...eventWaits.columns, ...pick(runs.columns, ['trajectory_id', 'name']) }
export type EventWaitOfRun = Row<typeof eventWaitOfRun>

const waitColumns = eventWaits.of('w')

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
const addressText = ({ collectionId, runKey, event, key }: EventAddress): string =>
  JSON.stringify([collectionId, runKey, event, key])

export const findEventWait = queryOne(
  'find_event_wait',
  eventWaits.columns,
  `select ${waitColumns} from event_waits w where w.run_id = $1 and w.seq = $2`,
  (runKey: string, seq: number) => [runKey, seq],
)

/** Steps whose wait has an end do not get what comes after it, though they may not have noticed yet. */
export const isWaiting = 'w.outcome is null and (w.expires_at is null or w.expires_at > now())'

const open = `select ${waitColumns}, r.trajectory_id, r.name from event_waits w
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
  `with ${lockedRun},
     received as (
       update event_waits w set outcome = 'received', ended_at = now(), event_id = $3, payload = $4, sent_by = $5,
         received_at = now()
       from run where w.run_id = run.id and w.seq = $2 and ${isWaiting} returning w.run_id, w.seq),
     ${wakeRunsOf('received')}
     select count(*)::int as received from woken`,
  ({ run_id, seq }: Pick<EventWaitRow, 'run_id' | 'seq'>, { eventId, payload, sentBy }: Delivery) => [
    ...[run_id, seq, eventId, payload, sentBy],
  ],
)

/** Gives an event to a waiting step and wakes its run; false when it waits no more. */
export const deliverEvent = async (...given: Parameters<typeof deliver>): Promise<boolean> =>
  (await deliver(...given)) === 1

/** Ends a wait whose time is over; undefined when an event came first. */
export const expireEventWait = queryOne(
  'expire_event_wait',
  eventWaits.columns,
  `update event_waits w set outcome = 'timed_out', ended_at = now()
       where w.run_id = $1 and w.seq = $2 and w.outcome is null returning ${waitColumns}`,
  (runKey: string, seq: number) => [runKey, seq],
)

/** Withdraws the wait of a step that was interrupted. */
export const withdrawEventWait = change(
  'withdraw_event_wait',
  'delete from event_waits where run_id = $1 and seq = $2 and outcome is null',
  (runKey: string, seq: number) => [runKey, seq],
)

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
