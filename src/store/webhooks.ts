import type { Queries } from './database/database.ts'
import {
  bigint,
  bool,
  change,
  int,
  moment,
  orMissing,
  orNull,
  query,
  queryOne,
  type Row,
  text,
} from './database/table.ts'
import { isRestoreHeld } from './system/restore-state.ts'

/**
 * A delivery claimed by this process until its claim expires. The claim number rises: odd while an attempt is under
 * way, even while the delivery waits for the next one.
 */
const delivery = {
  run_id: text,
  payer: bigint,
  /** Number of failed attempts so far. */
  tries: int,
  claim: int,
}
export type DueDelivery = Row<typeof delivery>

/** SQL condition: some delivery is due. Examines only the first row in index order; see `isAnyRoutineDue`. */
export const isAnyDeliveryDue = (at: string): string =>
  `(coalesce((select due_at <= ${at} from webhook_queue order by due_at limit 1), false) and not ${isRestoreHeld})`

/** Maximum due rows examined; those of payers at their limit are skipped before. */
const mostLookedAt = 1000

/**
 * Claims due deliveries: no other process gets them before `lostMs`. Takes at most `each` of one payer and none of
 * those in `full`, so that a hanging receiver does not block others. Times are milliseconds of the caller's
 * clock.
 */
export const claimDeliveries = query(
  'claim_deliveries',
  delivery,
  `with looked_at as (
     select run_id, coalesce(c.payer, q.collection_id) payer, due_at
     from webhook_queue q left join collections c on c.id = q.collection_id -- it may have been deleted
     where due_at <= to_timestamp($1::float8 / 1000) and coalesce(c.payer, q.collection_id) <> all($5::bigint[])
       and not ${isRestoreHeld}
     order by due_at limit ${mostLookedAt}),
   placed as (
     select run_id, payer, due_at, row_number() over (partition by payer order by due_at) place from looked_at),
   free as (
     select q.run_id, p.payer from webhook_queue q join placed p on p.run_id = q.run_id
     where p.place <= $4 and q.due_at <= to_timestamp($1::float8 / 1000) order by p.due_at limit $3
     for update of q skip locked)
   update webhook_queue q set due_at = to_timestamp($2::float8 / 1000), claim = q.claim + 1 + q.claim % 2
   from free where q.run_id = free.run_id
   returning q.run_id, free.payer, q.tries, q.claim`,
  (at: { nowMs: number; lostMs: number; limit: number; each: number; full: number[] }) => [
    ...[at.nowMs, at.lostMs, at.limit, at.each, at.full],
  ],
)

/** Returns a claimed delivery unattempted, to be claimed again later. */
export const putOffDelivery = change(
  'put_off_delivery',
  `update webhook_queue set due_at = to_timestamp($3::float8 / 1000), claim = claim + 1
   where run_id = $1 and claim = $2`,
  ({ run_id, claim }: DueDelivery, dueMs: number) => [run_id, claim, dueMs],
)

/** Deletes the delivery of a run that is gone. */
export const dropDelivery = change('drop_delivery', 'delete from webhook_queue where run_id = $1', (runKey: string) => [
  runKey,
])

/** Target of a run's webhook, and what an attempt needs. */
const target = {
  /** URL as shown, without secrets. */
  url: text,
  sealed: orNull(text),
  /** JSON text of the collection's settings; null when there are none. */
  settings: orNull(text),
  /** The trace that the caller of the run is part of: see `readTrace`. */
  trace_context: orNull(text),
  /** Bytes of all step inputs and outputs. */
  bytes: bigint,
}
export type RunWebhook = Row<typeof target>

/** Finds the webhook of a run; undefined when it has none, or is gone. */
export const findWebhook = queryOne(
  'find_webhook',
  target,
  `select r.webhook_url as url, r.sealed_webhook_secret as sealed, r.trace_context, c.settings,
     (select coalesce(sum(octet_length(coalesce(inputs, '')) + octet_length(coalesce(outputs, ''))), 0)
      from steps where run_id = r.id)
     + (select coalesce(sum(octet_length(body)), 0) from payloads where run_id = r.id) as bytes
   from runs r join collections c on c.id = r.collection_id where r.id = $1 and r.webhook_url is not null`,
  (runKey: string) => [runKey],
)

/** Result of one attempt. */
export interface DeliveryAttempt {
  delivered: boolean
  statusCode: number | null
  error: string | null
  /** Milliseconds of the caller's clock. */
  startedMs: number
  durationMs: number
}

/**
 * Records an attempt and schedules the next: `retryMs` is its time, null for never. A process that lost its claim, and
 * a manual attempt (`due` undefined), only record a successful delivery.
 */
export const settleAttempt = change(
  'settle_attempt',
  `with there as materialized (select id, collection_id from runs where id = $1 for key share),
   logged as (
     insert into webhook_attempts (run_id, collection_id, by_hand, delivered, status_code, error, started_at, duration_ms)
     select id, collection_id, $2::int is null, $3, $4::int, $5, to_timestamp($6::float8 / 1000), $7 from there),
   again as (
     update webhook_queue q set tries = tries + 1, claim = claim + 1, due_at = to_timestamp($8::float8 / 1000) from there
     where q.run_id = there.id and q.claim = $2 and not $3 and $8::float8 is not null)
   delete from webhook_queue q where run_id = $1 and ($3 or (q.claim = $2 and $8::float8 is null))`,
  (at: { runKey: string; due: DueDelivery | undefined; attempt: DeliveryAttempt; retryMs: number | null }) => {
    const { delivered, statusCode, error, startedMs, durationMs } = at.attempt
    const claim = at.due?.claim ?? null
    return [at.runKey, claim, delivered, statusCode, error, startedMs, Math.round(durationMs), at.retryMs]
  },
)

/** Maximum attempts of one run, which bounds their log. */
export const mostAttempts = 200

export const attempt = {
  /** From 1. */
  n: int,
  by_hand: bool,
  delivered: bool,
  status_code: orNull(int),
  error: orNull(text),
  started_at: moment,
  duration_ms: int,
}
export type AttemptRow = Row<typeof attempt>

const attempts = `select row_number() over (order by id)::int as n, by_hand, delivered, status_code, error, started_at,
  duration_ms from webhook_attempts where run_id = $1`

/** Lists the attempts of a run, oldest first. */
export const attemptsOf = query('attempts_of', attempt, `${attempts} order by id`, (runKey: string) => [runKey])

/** Attempts of a run and its pending one, from one snapshot. */
export interface DeliveryLog {
  attempts: AttemptRow[]
  /** Whether an attempt is due or under way. */
  isQueued: boolean
  /** Time of the next attempt; null when one is due now or under way. */
  nextAt: Date | null
}

export const deliveryLog = query(
  'delivery_log',
  { ...orMissing(attempt), is_queued: bool, next_at: orNull(moment) },
  `with q as (
     select case when claim % 2 = 0 and isfinite(due_at) then due_at end as next_at
     from webhook_queue where run_id = $1)
   select a.*, q.is_there is not null as is_queued, q.next_at
   from (select) one left join (select true as is_there, next_at from q) q on true left join (${attempts}) a on true
   order by a.n`,
  (runKey: string) => [runKey],
  (rows): DeliveryLog => ({
    attempts: rows.filter((row): row is (typeof rows)[number] & AttemptRow => row.n !== null),
    isQueued: rows[0]?.is_queued ?? false,
    nextAt: rows[0]?.next_at ?? null,
  }),
)

/** An attempt to notify the receiver of a run, and the run. */
const ofCollection = { ...attempt, id: bigint, task: text, trajectory_id: text, webhook_url: orNull(text) }
export type CollectionAttempt = Row<typeof ofCollection>

interface Page {
  collectionId: number
  before: number
  limit: number
}

const list = (name: string, condition: string) =>
  query(
    name,
    ofCollection,
    `select a.id, a.by_hand, a.delivered, a.status_code, a.error, a.started_at, a.duration_ms,
       (select count(*)::int from webhook_attempts b where b.run_id = a.run_id and b.id <= a.id) as n,
       coalesce((select t.name from tasks t where t.id = r.task_id),
         (select f.name from former_tasks f where f.task_id = r.task_id), split_part(r.name, '/', 2)) as task,
       r.trajectory_id, r.webhook_url
     from (select * from webhook_attempts where collection_id = $1 and id < $2 ${condition}
           order by id desc limit $3) a
     join runs r on r.id = a.run_id order by a.id desc`,
    ({ collectionId, before, limit }: Page) => [collectionId, before, limit],
  )
const listAll = list('list_attempts', '')
const listFailed = list('list_failed_attempts', 'and not delivered')

/** Lists one page of the attempts in a collection below an id, newest first; all, or those that failed. */
export const listAttempts = (
  queries: Queries,
  { isFailed, ...page }: Page & { isFailed: boolean },
): Promise<CollectionAttempt[]> => (isFailed ? listFailed : listAll)(queries, page)
