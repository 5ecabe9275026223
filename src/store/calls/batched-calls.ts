import type { Queries } from '../database/database.ts'
import {
  bigint,
  bool,
  change,
  float,
  int,
  listsOf,
  moment,
  orNull,
  pick,
  query,
  queryOne,
  queryValue,
  type Row,
  table,
  text,
  textOf,
} from '../database/table.ts'
import { wakeRunsOf } from '../runs/answers.ts'
import { type CallCost, spendAll } from './budget.ts'

/**
 * `waiting`: collected for a batch. `batched`: part of one. `answered`. `released`: to be sent at once. `withdrawn`: the
 * step needs it no more.
 */
type CallState = 'waiting' | 'batched' | 'answered' | 'released' | 'withdrawn'

/** Encryption context of the request and the answer of a call. */
export const batchedCallSeal = (id: string): string => `batched-calls/${id}`

const batchedCalls = table('batched_calls', {
  id: text,
  run_id: text,
  seq: int,
  call: text,
  attempt: int,
  collection_id: bigint,
  task_id: bigint,
  account: text,
  provider: text,
  model: text,
  path: text,
  wait_seconds: float,
  sealed_request: orNull(text),
  request_bytes: int,
  state: textOf<CallState>(),
  batch: orNull(text),
  reason: orNull(text),
  status: orNull(int),
})
const { columns } = batchedCalls

const knownCall = {
  ...pick(columns, ['id', 'call', 'attempt', 'provider', 'state', 'reason', 'status']),
  usd: orNull(float),
  /** The batch that answered it, and when that was submitted. */
  provider_id: orNull(text),
  submitted_at: orNull(moment),
}
/** A call of a step, as the step sees it when it is carried out again. */
export type KnownCall = Row<typeof knownCall>

/** Reads the calls of a step. */
export const callsOfStep = query(
  'batched_calls_of_step',
  knownCall,
  `select c.id, c.call, c.attempt, c.provider, c.state, c.reason, c.status, c.usd::float8 as usd, b.provider_id, b.submitted_at
   from batched_calls c left join provider_batches b on b.id = c.batch where c.run_id = $1 and c.seq = $2`,
  (runKey: string, seq: number) => [runKey, seq],
)

/** Reads the sealed answer of a call. */
export const answerOfCall = queryOne(
  'answer_of_batched_call',
  { sealed_answer: orNull(text) },
  'select sealed_answer from batched_calls where id = $1',
  (id: string) => [id],
  (row) => row?.sealed_answer ?? null,
)

/** A call to be collected. */
export interface NewBatchedCall {
  id: string
  run_id: string
  seq: number
  call: string
  attempt: number
  collection_id: number
  task_id: number
  account: string
  provider: string
  model: string
  path: string
  wait_seconds: number
  sealed_request: string
  request_bytes: number
  reserved_usd: number
  reserved_tokens: number
  /** Until a batch is sent, more calls may join it. */
  collect_seconds: number
}

const newColumns = [
  ['id', 'text'],
  ['run_id', 'text'],
  ['seq', 'int'],
  ['call', 'text'],
  ['attempt', 'int'],
  ['collection_id', 'bigint'],
  ['task_id', 'bigint'],
  ['account', 'text'],
  ['provider', 'text'],
  ['model', 'text'],
  ['path', 'text'],
  ['wait_seconds', 'float8'],
  ['sealed_request', 'text'],
  ['request_bytes', 'int'],
  ['reserved_usd', 'numeric'],
  ['reserved_tokens', 'bigint'],
] as const
const newNames = newColumns.map(([name]) => name)
const collectSeconds = newColumns.length + 1

/** Collects calls of steps, or the next attempts of those that failed. A call that is there already stays as it is. */
export const collectCalls = change(
  'collect_calls',
  `insert into batched_calls as c (${newNames.join(', ')}, state, ready_at, due_at)
   select ${newNames.map((name) => `u.${name}`).join(', ')}, 'waiting',
     now() + make_interval(secs => least(u.collect_seconds, u.wait_seconds)),
     now() + make_interval(secs => u.wait_seconds)
   from unnest(${newColumns.map(([, type], at) => `$${at + 1}::${type}[]`).join(', ')}, $${collectSeconds}::float8[])
     u(${newNames.join(', ')}, collect_seconds) join runs r on r.id = u.run_id and r.ended_at is null
   order by u.run_id, u.seq, u.call
   on conflict (run_id, seq, call) do update set id = excluded.id, attempt = excluded.attempt, state = 'waiting',
     sealed_request = excluded.sealed_request, wait_seconds = excluded.wait_seconds, ready_at = excluded.ready_at,
     due_at = excluded.due_at, batch = null, settled_at = null, reason = null, status = null, sealed_answer = null,
     usd = null, is_charged = false
     where (c.state = 'answered' and c.attempt < excluded.attempt) or c.state = 'withdrawn'`,
  (calls: NewBatchedCall[]) => [...listsOf(newNames, calls), calls.map((one) => one.collect_seconds)],
)

/** Lets a step wait for its calls; false when all of them are settled. */
export const beginBatchWait = queryValue(
  'begin_batch_wait',
  { begin_batch_wait: bool },
  'select begin_batch_wait($1, $2)',
  (runKey: string, seq: number) => [runKey, seq],
)

/** Keeps the answer of a call that was sent at once; its cost is charged by whoever sent it. */
export const keepAnswer = change(
  'keep_answer_of_call',
  `update batched_calls set state = 'answered', status = 200, sealed_answer = $2, usd = $3, is_charged = true
   where id = $1 and state = 'released'`,
  (id: string, sealed: string, usd: number | null) => [id, sealed, usd],
)

/** Withdraws the open calls of a step that ends without them. */
export const withdrawCalls = change(
  'withdraw_batched_calls',
  `update batched_calls set state = 'withdrawn', settled_at = now(), sealed_request = null
   where run_id = $1 and seq = $2 and settled_at is null`,
  (runKey: string, seq: number) => [runKey, seq],
)

/** Withdraws collected calls whose runs have ended or are to end. */
export const withdrawOfEnded = change(
  'withdraw_calls_of_ended_runs',
  `update batched_calls set state = 'withdrawn', settled_at = now(), sealed_request = null where id in (
     select c.id from batched_calls c join runs r on r.id = c.run_id
     where c.state = 'waiting' and c.ready_at <= now() and (r.ended_at is not null or r.requested_status is not null)
     limit 1000)
   returning true`,
)

const callGroup = pick(columns, ['collection_id', 'account', 'provider', 'model', 'path', 'wait_seconds'])
/** Calls that may share a batch. */
export type CallGroup = Row<typeof callGroup>

/** Finds calls that have been collected for long enough. */
export const readyGroup = queryOne(
  'ready_group_of_calls',
  { ...callGroup, sealed_request: text, id: text },
  `select collection_id, account, provider, model, path, wait_seconds, sealed_request, id from batched_calls
   where state = 'waiting' and ready_at <= now() and due_at > now() order by ready_at limit 1`,
)

const ofGroup = `c.state = 'waiting' and c.collection_id = $1 and c.account = $2 and c.model = $3 and c.path = $4
  and c.wait_seconds = $5`
const groupValues = (group: CallGroup): unknown[] => [
  ...[group.collection_id, group.account, group.model, group.path, group.wait_seconds],
]

/** What one batch may have. A budget admits a call while something of it is left. */
interface BatchBounds {
  requests: number
  bytes: number
  /** US dollars and tokens that are left of the budget; null: there is none. */
  usd: number | null
  tokens: number | null
}

/**
 * Makes a batch of collected calls. From then on they belong to it, whatever becomes of this process. Returns how many, none if
 * no call fits.
 */
export const formBatch = queryValue(
  'form_provider_batch',
  { calls: int },
  `with found as materialized (
     select c.id, c.ready_at, c.due_at, c.request_bytes, c.reserved_usd, c.reserved_tokens from batched_calls c
     where ${ofGroup} order by c.ready_at, c.id limit $6 for update skip locked),
   summed as (
     select *, sum(request_bytes) over so_far as bytes, sum(reserved_usd) over so_far - reserved_usd as usd_before,
       sum(reserved_tokens) over so_far - reserved_tokens as tokens_before, row_number() over so_far as place
     from found window so_far as (order by ready_at, id)),
   taken as materialized (
     select * from summed where (bytes <= $7 or place = 1) and ($8::float8 is null or usd_before < $8)
       and ($9::float8 is null or tokens_before < $9)),
   made as (
     insert into provider_batches (id, collection_id, provider, model, path, sealed_account, requests, due_at,
       reserved_usd, reserved_tokens)
     select $10, $1, $11, $3, $4, $12, count(*), min(due_at), sum(reserved_usd), sum(reserved_tokens) from taken
     having count(*) > 0),
   moved as (
     update batched_calls c set state = 'batched', batch = $10 from taken t where c.id = t.id returning c.id)
   select count(*)::int as calls from moved`,
  (group: CallGroup, bounds: BatchBounds, batch: { id: string; sealedAccount: string }) => [
    ...groupValues(group),
    ...[bounds.requests, bounds.bytes, bounds.usd, bounds.tokens, batch.id, group.provider, batch.sealedAccount],
  ],
)

/** Puts the calls of a group off that a budget does not admit yet. */
export const postponeGroup = change(
  'postpone_group_of_calls',
  `update batched_calls c set ready_at = now() + make_interval(secs => $6) where ${ofGroup} and c.ready_at <= now()`,
  (group: CallGroup, seconds: number) => [...groupValues(group), seconds],
)

const requestsAtOnce = 1_000

/** Reads the requests of a batch, in the order of their ids. */
export const requestsOfBatch = query(
  'requests_of_provider_batch',
  { id: text, sealed_request: orNull(text) },
  `select id, sealed_request from batched_calls where batch = $1 and id > $2 order by id limit ${requestsAtOnce}`,
  (batch: string, after: string) => [batch, after],
)

/** Counts the calls of a batch that a step still waits for. */
export const countWanted = queryValue(
  'count_wanted_calls',
  { calls: int },
  `select count(*)::int as calls from batched_calls c join runs r on r.id = c.run_id
   where c.batch = $1 and c.state = 'batched' and r.ended_at is null and r.requested_status is null`,
  (batch: string) => [batch],
)

/** The answer of a provider to a call. */
export interface SettledCall {
  id: string
  status: number
  sealed: string
  usd: number | null
  tokens: number
}

const settled = {
  ...pick(columns, ['run_id', 'seq', 'collection_id', 'task_id']),
  usd: orNull(float),
  tokens: bigint,
  reserved_usd: float,
  reserved_tokens: bigint,
}

/** An answer that comes too late is charged as well: the provider has carried it out. */
const answerCalls = query(
  'answer_batched_calls',
  settled,
  `update batched_calls c set state = case when c.state = 'batched' then 'answered' else c.state end,
     status = case when c.state = 'batched' then u.status else c.status end,
     sealed_answer = case when c.state = 'batched' then u.sealed else c.sealed_answer end,
     usd = case when c.state = 'batched' then u.usd else c.usd end,
     settled_at = coalesce(c.settled_at, now()), sealed_request = null, is_charged = true
   from unnest($2::text[], $3::int[], $4::text[], $5::numeric[], $6::bigint[]) u(id, status, sealed, usd, tokens)
   where c.id = u.id and c.batch = $1 and not c.is_charged
   returning c.run_id, c.seq, c.collection_id, c.task_id, u.usd::float8 as usd, u.tokens,
     c.reserved_usd::float8 as reserved_usd, c.reserved_tokens`,
  (batch: string, calls: readonly SettledCall[]) => [
    batch,
    ...listsOf(['id', 'status', 'sealed', 'usd', 'tokens'], calls),
  ],
)

const lockRuns = change(
  'lock_runs_of_calls',
  'select from runs where id = any($1::text[]) order by id for no key update',
  (runKeys: readonly string[]) => [runKeys],
)

const wakeSteps = change(
  'wake_steps_of_calls',
  `with answered as materialized (
     select distinct u.run_id, u.seq from unnest($1::text[], $2::int[]) u(run_id, seq)
     where not exists (select from batched_calls o where o.run_id = u.run_id and o.seq = u.seq and o.settled_at is null)),
   ${wakeRunsOf('answered')}
   select pg_notify from woken`,
  (steps: readonly { run_id: string; seq: number }[]) => [steps.map((one) => one.run_id), steps.map((one) => one.seq)],
)

/** Wakes the steps whose calls are all settled. Their runs are locked first: whoever settles the last call sees all others. */
const wakeSettled = async (queries: Queries, steps: readonly { run_id: string; seq: number }[]): Promise<void> => {
  if (steps.length === 0) return
  await lockRuns(queries, [...new Set(steps.map(({ run_id }) => run_id))].sort())
  await wakeSteps(queries, steps)
}

const releaseReservation = change(
  'release_reservation_of_batch',
  `update provider_batches set reserved_usd = greatest(0, reserved_usd - $2),
     reserved_tokens = greatest(0, reserved_tokens - $3) where id = $1`,
  (batch: string, usd: number, tokens: number) => [batch, usd, tokens],
)

/** Stores answers, charges them to their runs and collection, and wakes the steps. To be called in a transaction. */
export const settleCalls = async (
  queries: Queries,
  { batch, model }: { batch: string; model: string },
  calls: readonly SettledCall[],
): Promise<void> => {
  const rows = await answerCalls(queries, batch, calls)
  const costs = rows
    .filter(({ usd, tokens }) => usd !== null || tokens > 0)
    .map(
      ({ collection_id: collectionId, task_id: taskId, run_id: runKey, usd, tokens }): CallCost => ({
        ...{ collectionId, taskId, model, runKey, usd, tokens },
      }),
    )
  if (costs.length > 0) await spendAll(queries, costs)
  const sum = (of: (row: (typeof rows)[number]) => number) => rows.reduce((total, row) => total + of(row), 0)
  await releaseReservation(
    queries,
    batch,
    sum((row) => row.reserved_usd),
    sum((row) => row.reserved_tokens),
  )
  await wakeSettled(queries, rows)
}

const release = `state = 'released', settled_at = now(), sealed_request = null`
const releasedAtOnce = 500

const releaseOfBatch = query(
  'release_calls_of_batch',
  pick(columns, ['run_id', 'seq']),
  `update batched_calls set ${release}, reason = $2 where id in (
     select id from batched_calls where batch = $1 and state = 'batched' limit ${releasedAtOnce})
   returning run_id, seq`,
  (batch: string, reason: string) => [batch, reason],
)

const releaseOfGroup = query(
  'release_group_of_calls',
  pick(columns, ['run_id', 'seq']),
  `update batched_calls set ${release}, reason = $6 where id in (
     select c.id from batched_calls c where ${ofGroup} limit ${releasedAtOnce})
   returning run_id, seq`,
  (group: CallGroup, reason: string) => [...groupValues(group), reason],
)

const releaseOverdue = query(
  'release_overdue_calls',
  pick(columns, ['run_id', 'seq']),
  `update batched_calls set ${release}, reason = $1 where id in (
     select id from batched_calls where state = 'waiting' and due_at <= now() order by due_at limit ${releasedAtOnce})
   returning run_id, seq`,
  (reason: string) => [reason],
)

/**
 * Lets steps send calls at once: those of a batch or a group, or all collected ones whose time is over. Takes some of them, and
 * returns whether there may be more. To be called in a transaction.
 */
export const releaseCalls = async (
  queries: Queries,
  of: { batch: string } | { group: CallGroup } | 'overdue',
  reason: string,
): Promise<boolean> => {
  const rows =
    of === 'overdue'
      ? await releaseOverdue(queries, reason)
      : 'batch' in of
        ? await releaseOfBatch(queries, of.batch, reason)
        : await releaseOfGroup(queries, of.group, reason)
  await wakeSettled(queries, rows)
  return rows.length >= releasedAtOnce
}

const removedAtOnce = 1_000

/** Removes the calls of runs that have ended, unless their batch may still bring answers that cost something. */
export const removeOldCalls = change(
  'remove_old_batched_calls',
  `delete from batched_calls where id in (
     select c.id from batched_calls c join runs r on r.id = c.run_id left join provider_batches b on b.id = c.batch
     where c.settled_at < now() - interval '10 minutes' and r.ended_at is not null
       and (b.id is null or b.ended_at is not null) limit ${removedAtOnce})
   returning true`,
)

const shownCalls = {
  seq: int,
  provider: text,
  model: text,
  calls: int,
  /** Calls without an answer. */
  open: int,
  batch_id: orNull(text),
  requests: orNull(int),
  completed: orNull(int),
  failed: orNull(int),
  submitted_at: orNull(moment),
  due_at: moment,
}

/** Reads what steps of a run wait for: by step and batch, collected calls without one. */
export const awaitedBatches = query(
  'awaited_batches',
  shownCalls,
  `select c.seq, c.provider, c.model, count(*)::int as calls,
     count(*) filter (where c.settled_at is null)::int as open, b.provider_id as batch_id, b.requests,
     b.completed, b.failed, b.submitted_at, max(c.due_at) as due_at
   from batched_calls c left join provider_batches b on b.id = c.batch
   where c.run_id = $1 and c.seq = any($2::int[]) group by c.seq, c.provider, c.model, b.id
   having count(*) filter (where c.settled_at is null) > 0 order by c.seq, b.number limit 100`,
  (runKey: string, seqs: readonly number[]) => [runKey, seqs],
)
