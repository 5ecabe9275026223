import { type DeliveryState, deliveryStates, type HookSender, hookSenders } from '../model/hook.ts'
import type { RunStatus } from '../model/workflows/workflow.ts'
import type { Database, Queries } from './database/database.ts'
import {
  assignments,
  bigint,
  bool,
  change,
  insertInto,
  int,
  moment,
  namesOf,
  oneOf,
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
  valuesOf,
} from './database/table.ts'
import { isRestoreHeld } from './system/restore-state.ts'

/** Columns that a request sets. */
const fields = {
  task_id: orNull(bigint),
  task_name: text,
  filter: orNull(text),
  mapping: orNull(text),
  signature_header: orNull(text),
  delivery_header: orNull(text),
  disabled: bool,
  sealed_secret: orNull(text),
  sealed_former_secret: orNull(text),
  former_until: orNull(moment),
  updated_at: moment,
}
export const hookFields = Object.keys(fields) as (keyof typeof fields)[]
export type HookFields = Row<typeof fields>

const hooks = table('hooks', {
  id: bigint,
  collection_id: bigint,
  name: text,
  url_id: text,
  sender: oneOf(hookSenders),
  event: orNull(text),
  ...fields,
  refused: bigint,
  last_refused_at: orNull(moment),
  last_refusal: orNull(text),
  created_at: moment,
})
export type HookRow = Row<typeof hooks.columns>

/** The task of the hook `h`: one of the same name takes the place of a deleted one. */
const taskOfHook = `coalesce(h.task_id,
  (select id from tasks n where n.collection_id = h.collection_id and lower(n.name) = lower(h.task_name)))`

/** A hook with the name that its task has now, which is null if there is none. */
const listed = { ...hooks.columns, current_task: orNull(text) }
export type ListedHook = Row<typeof listed>

const selectListed = `select ${hooks.of('h')}, t.name as current_task from hooks h left join tasks t on t.id = ${taskOfHook}`

interface HookPage {
  /** Id of the last hook of the previous page. */
  after: number
  limit: number
}

/** Lists the hooks of a collection in order of creation. */
export const hooksOfCollection = query(
  'hooks_of_collection',
  listed,
  `${selectListed} where h.collection_id = $1 and h.id > $2 order by h.id limit $3`,
  (collectionId: number, { after, limit }: HookPage) => [collectionId, after, limit],
)

export const hooksOfTask = query(
  'hooks_of_task',
  listed,
  `${selectListed} where h.task_id = $1 and h.id > $2 order by h.id limit $3`,
  (taskId: number, { after, limit }: HookPage) => [taskId, after, limit],
)

/** Finds a hook by collection and name (case-insensitive). */
export const findHook = queryOne(
  'find_hook',
  listed,
  `${selectListed} where h.collection_id = $1 and lower(h.name) = lower($2)`,
  (collectionId: number, name: string) => [collectionId, name],
)

export const countHooks = queryValue(
  'count_hooks',
  { total: int },
  'select count(*)::int as total from hooks where collection_id = $1',
  (collectionId: number) => [collectionId],
)

/** A hook as a request to its URL needs it. */
const receiver = {
  ...pick(hooks.columns, ['id', 'collection_id', 'name', 'sender', 'signature_header', 'delivery_header']),
  ...pick(hooks.columns, ['sealed_secret', 'sealed_former_secret', 'former_until']),
  environment_id: orNull(bigint),
}
export type HookReceiver = Row<typeof receiver>

/** Whether a URL leads to a hook. */
export const isHookUrl = change('is_hook_url', 'select true from hooks where url_id = $1', (urlId: string) => [urlId])

export const findHookByUrl = queryOne(
  'find_hook_by_url',
  receiver,
  `select h.id, h.collection_id, h.name, h.sender, h.signature_header, h.delivery_header, h.sealed_secret,
     h.sealed_former_secret, h.former_until, c.environment_id
   from hooks h join collections c on c.id = h.collection_id where h.url_id = $1`,
  (urlId: string) => [urlId],
)

const drawId = queryOne('draw_hook_id', { id: bigint }, `select nextval('hook_ids') as id`)

/** Reserves the id of the next hook: its secrets are encrypted with the id as context. */
export const drawHookId = async (queries: Queries): Promise<number> => (await drawId(queries))?.id ?? 0

const given = ['id', 'collection_id', 'name', 'url_id', 'sender', 'event', ...hookFields, 'created_at'] as const
const insertHook = change(
  'create_hook',
  `${insertInto(hooks, given)} on conflict (collection_id, lower(name)) do nothing returning id`,
  (row: Pick<HookRow, (typeof given)[number]>) => valuesOf(given, row),
)

/** Creates a hook. `taken`: the collection has one of that name. `gone`: collection or task were deleted meanwhile. */
export const createHook = async (
  queries: Queries,
  row: Pick<HookRow, (typeof given)[number]>,
): Promise<'made' | 'taken' | 'gone'> => {
  try {
    return (await insertHook(queries, row)) ? 'made' : 'taken'
  } catch (error) {
    if ((error as { code?: string }).code === '23503') return 'gone' // foreign key violation
    throw error
  }
}

const lockHook = queryOne(
  'lock_hook',
  hooks.columns,
  `select ${namesOf(hooks.columns)} from hooks where id = $1 for no key update`,
  (id: number) => [id],
)
const writeHook = change(
  'update_hook',
  `update hooks set ${assignments(hookFields, 2)} where id = $1`,
  (id: number, fields: HookFields) => [id, ...valuesOf(hookFields, fields)],
)

/** Updates a hook under a lock; `change` computes the new fields and may throw. False when it is gone. */
export const updateHook = (database: Database, id: number, change: (before: HookRow) => HookFields): Promise<boolean> =>
  database.transaction(async (queries) => {
    const before = await lockHook(queries, id)
    if (!before) return false
    await writeHook(queries, id, change(before))
    return true
  })

/** Deletes a hook with its deliveries, whose bytes its collection uses no more; false when there was none. */
export const deleteHook = change(
  'delete_hook',
  `with gone as (delete from hooks where id = $1 returning id, collection_id),
   freed as (
     update collection_usage u set database_bytes = u.database_bytes - d.bytes
     from (select coalesce(sum(bytes), 0) bytes from hook_deliveries where hook_id = $1) d, gone
     where u.collection_id = gone.collection_id)
   select id from gone`,
  (id: number) => [id],
)

/** Adds to the number of refused requests of a hook, with the newest reason. */
export const countRefused = change(
  'count_refused',
  'update hooks set refused = refused + $2, last_refused_at = now(), last_refusal = $3 where id = $1',
  (id: number, count: number, reason: string) => [id, count, reason],
)

const deliveries = table('hook_deliveries', {
  number: bigint,
  delivery_id: text,
  event: orNull(text),
  bytes: int,
  state: oneOf(deliveryStates),
  reason: orNull(text),
  round: int,
  received_at: moment,
  settled_at: orNull(moment),
})

/** A delivery with its run, without its payload. */
const shownDelivery = {
  ...deliveries.columns,
  /** Time of its next attempt; null if that is due, or under way. */
  next_at: orNull(moment),
  task: orNull(text),
  trajectory_id: orNull(text),
  status: orNull(textOf<RunStatus>()),
}
export type ShownDelivery = Row<typeof shownDelivery>

const selectDelivery = `select ${deliveries.of('d')},
  case when d.state = 'waiting' and d.claim % 2 = 0 and isfinite(d.due_at) then d.due_at end as next_at, substr(r.name, strpos(r.name, '/') + 1) as task, r.trajectory_id,
  r.status from hook_deliveries d left join runs r on r.id = d.run_id`

interface NewDelivery {
  hookId: number
  deliveryId: string
  /** Of the body, where the sender does not sign the id: equal bodies are one delivery. */
  bodyHash: string | null
  event: string | null
  /** JSON text. */
  payload: string
  /** A reason to start nothing whatever the filter says. */
  ignored: string | null
  /** The trace that its sender is part of: see `readTrace`. */
  trace: string | undefined
}

/** Stores a delivery, unless the hook has it already or is gone: then there is no row. */
export const insertDelivery = queryOne(
  'insert_hook_delivery',
  pick(deliveries.columns, ['number', 'state']),
  `insert into hook_deliveries (hook_id, delivery_id, body_hash, event, payload, bytes, state, reason, trace_context)
   select id, $2, $3, $4, $5, octet_length($5::text),
     case when $6::text is not null then 'filtered' when disabled then 'disabled' else 'waiting' end, $6, $7
   from hooks where id = $1
   on conflict do nothing returning number, state`,
  ({ hookId, deliveryId, bodyHash, event, payload, ignored, trace }: NewDelivery) => [
    ...[hookId, deliveryId, bodyHash, event, payload, ignored, trace ?? null],
  ],
)

/** Whether hooks start runs for events of a name. */
export const hasEventHooks = change(
  'has_event_hooks',
  'select true from hooks where collection_id = $1 and event = $2 limit 1',
  (collectionId: number, event: string) => [collectionId, event],
)

/** Stores an event as a delivery of every hook that starts runs for events of its name; tells whether there are any. */
export const deliverEventToHooks = change(
  'deliver_event_to_hooks',
  `insert into hook_deliveries (hook_id, delivery_id, event, payload, bytes, state, trace_context)
   select id, $3, $2, $4, octet_length($4::text), case when disabled then 'disabled' else 'waiting' end, $5
   from hooks where collection_id = $1 and event = $2
   on conflict do nothing returning number`,
  (event: { collectionId: number; event: string; deliveryId: string; payload: string; trace: string | undefined }) => [
    ...[event.collectionId, event.event, event.deliveryId, event.payload, event.trace ?? null],
  ],
)

/** Finds a delivery by the id that its sender gave it. */
export const findDeliveryById = queryOne(
  'find_hook_delivery_by_id',
  shownDelivery,
  `${selectDelivery} where d.hook_id = $1 and d.delivery_id = $2`,
  (hookId: number, deliveryId: string) => [hookId, deliveryId],
)

/** Finds a delivery by its number. */
export const findDelivery = queryOne(
  'find_hook_delivery',
  { ...shownDelivery, payload: text },
  `select d.*, x.payload from (${selectDelivery} where d.number = $2 and d.hook_id = $1) d
   join hook_deliveries x on x.number = d.number`,
  (hookId: number, number: number) => [hookId, number],
)

interface DeliveryPage {
  state: DeliveryState | undefined
  before: number
  limit: number
}

const list = (name: string, isState: string) =>
  query(
    name,
    shownDelivery,
    `${selectDelivery} where d.hook_id = $1 and d.number < $2 ${isState} order by d.number desc limit $3`,
    (hookId: number, { state, before, limit }: DeliveryPage) => [hookId, before, limit, ...(state ? [state] : [])],
  )
const listAll = list('list_hook_deliveries', '')
const listOfState = list('list_hook_deliveries_of_state', 'and d.state = $4')

/** Lists deliveries of a hook below a number, newest first. */
export const listDeliveries = (queries: Queries, hookId: number, page: DeliveryPage) =>
  (page.state ? listOfState : listAll)(queries, hookId, page)

/** Counts the deliveries of a hook that wait, up to a number, and the bytes of these. */
export const countWaiting = queryRow(
  'count_waiting_deliveries',
  { waiting: int, bytes: bigint },
  `select count(*)::int as waiting, coalesce(sum(bytes), 0) as bytes
   from (select bytes from hook_deliveries where hook_id = $1 and state = 'waiting' limit $2) w`,
  (hookId: number, most: number) => [hookId, most],
)

const again = `state = 'waiting', reason = null, round = round + 1, tries = 0, due_at = '-infinity',
  settled_at = null`

/** Delivers one again; false when it waits already, or is gone. */
export const redeliverOne = change(
  'redeliver_one',
  `update hook_deliveries set ${again} where hook_id = $1 and number = $2 and state <> 'waiting' returning number`,
  (hookId: number, number: number) => [hookId, number],
)

/** Deliveries that one call delivers again, at most. */
const mostRedelivered = 1_000

/** Delivers the oldest deliveries of a state again, at most 1,000. Returns how many. */
export const redeliverState = query(
  'redeliver_state',
  { number: bigint },
  `update hook_deliveries set ${again} where number in (
     select number from hook_deliveries where hook_id = $1 and state = $2 order by number limit ${mostRedelivered}
     for update skip locked) returning number`,
  (hookId: number, state: DeliveryState) => [hookId, state],
  (rows) => rows.length,
)

/** SQL condition: some delivery is due. Examines only the first row in index order; see `isAnyRoutineDue`. */
export const isAnyHookDeliveryDue = (at: string): string =>
  `(coalesce((select due_at <= ${at} from hook_deliveries where state = 'waiting' order by due_at limit 1), false)
    and not ${isRestoreHeld})`

/** After this time without news the process of a delivery counts as dead, and another one takes it. */
const lostAfterSeconds = 120

/** A delivery claimed by this process until its claim expires. */
const claimed = {
  ...{ number: bigint, round: int, tries: int, claim: int, payer: bigint },
  /** Whether another process has worked on it, and may have started its run. */
  taken_over: bool,
}
export type ClaimedDelivery = Row<typeof claimed>

interface Claiming {
  at: Date
  limit: number
  /** Maximum of one payer. */
  each: number
  /** Payers that get none. */
  full: number[]
}

/**
 * Claims due deliveries, the oldest of each hook first, and payers in turn: a hook with ten thousand keeps no other payer
 * waiting. The hooks with waiting deliveries are found with one look at an index for each.
 */
export const claimHookDeliveries = query(
  'claim_hook_deliveries',
  claimed,
  `with recursive waiting as (
     (select hook_id from hook_deliveries where state = 'waiting' order by hook_id limit 1)
     union all
     select (select d.hook_id from hook_deliveries d where d.state = 'waiting' and d.hook_id > w.hook_id
             order by d.hook_id limit 1) from waiting w where w.hook_id is not null),
   due as (
     select d.number, d.due_at, c.payer from waiting w join hooks h on h.id = w.hook_id
       join collections c on c.id = h.collection_id and c.payer <> all($4::bigint[])
       cross join lateral (select number, due_at from hook_deliveries where hook_id = w.hook_id and state = 'waiting'
         and due_at <= $1 order by due_at, number limit $3) d),
   placed as (
     select number, due_at, payer, row_number() over (partition by payer order by due_at, number) place from due),
   free as (
     select d.number, p.payer, d.claim % 2 = 1 as taken_over from hook_deliveries d join placed p on p.number = d.number
     where d.state = 'waiting' and d.due_at <= $1 and p.place <= $3 and not ${isRestoreHeld}
     order by p.place, p.due_at, p.number limit $2 for update of d skip locked)
   update hook_deliveries d set claim = d.claim + 1 + d.claim % 2,
     due_at = $1::timestamptz + interval '${lostAfterSeconds} seconds'
   from free where d.number = free.number
   returning d.number, d.round, d.tries, d.claim, free.payer, free.taken_over`,
  ({ at, limit, each, full }: Claiming) => [at, limit, each, full],
)

/** A claimed delivery with what its run needs, in the current state of hook, task and collection. */
const startable = {
  payload: text,
  trace_context: orNull(text),
  ...pick(deliveries.columns, ['delivery_id', 'event', 'received_at']),
  hook: text,
  sender: textOf<HookSender>(),
  ...pick(hooks.columns, ['filter', 'mapping', 'disabled', 'collection_id']),
  collection_name: text,
  payer: bigint,
  environment_id: orNull(bigint),
  /** JSON text of the collection's settings. */
  settings: orNull(text),
  task_id: orNull(bigint),
  task_name: text,
  definition: orNull(text),
}
export type StartableDelivery = Row<typeof startable>

export const findStartable = queryOne(
  'find_startable_delivery',
  startable,
  `select d.payload, d.trace_context, d.delivery_id, d.event, d.received_at, h.name as hook, h.sender, h.filter, h.mapping, h.disabled,
     h.collection_id, c.name as collection_name, c.payer, c.environment_id, c.settings, t.id as task_id,
     coalesce(t.name, h.task_name) as task_name, t.definition
   from hook_deliveries d join hooks h on h.id = d.hook_id join collections c on c.id = h.collection_id
     left join tasks t on t.id = ${taskOfHook}
   where d.number = $1`,
  (number: number) => [number],
)

/** What came of an attempt. `dueMs`: of the next one, in milliseconds of the caller's clock, where it waits on. */
export interface DeliveryOutcome {
  state: DeliveryState
  reason?: string
  runKey?: string
  dueMs?: number
}

/** Stores the outcome of an attempt; nothing if another process has claimed the delivery since. */
export const settleDelivery = change(
  'settle_hook_delivery',
  `update hook_deliveries set state = $3, reason = $4, run_id = coalesce($5, run_id),
     tries = tries + ($3::text = 'waiting')::int, claim = claim + 1,
     due_at = coalesce(to_timestamp($6::float8 / 1000), due_at),
     settled_at = case when $3::text <> 'waiting' then now() end
   where number = $1 and claim = $2 returning number`,
  ({ number, claim }: ClaimedDelivery, { state, reason, runKey, dueMs }: DeliveryOutcome) => [
    ...[number, claim, state, reason ?? null, runKey ?? null, dueMs ?? null],
  ],
)

const sweptAtOnce = 1_000
const mostSweeps = 100

/** A statement that deletes deliveries, and tells how many bytes each collection uses less. */
const swept = { collection_id: bigint, deliveries: int, bytes: bigint }
const sweep = (which: string): string => `with gone as (
  delete from hook_deliveries where number in (${which}
    limit ${sweptAtOnce} for update skip locked) returning hook_id, bytes)
  select h.collection_id, count(*)::int as deliveries, sum(g.bytes)::bigint as bytes
  from gone g join hooks h on h.id = g.hook_id group by h.collection_id`

const sweepOld = query(
  'sweep_old_deliveries',
  swept,
  sweep(`select number from hook_deliveries
    where state <> 'waiting' and received_at < now() - $1 * interval '1 day' order by received_at`),
  (days: number) => [days],
)

/** The newest delivery of each hook that has too many, or too many bytes with the later ones. */
const fullHooks = query(
  'full_hooks',
  { id: bigint, last: bigint },
  `select h.id, d.last from hooks h cross join lateral (
     select max(number) as last from (
       select number, count(*) over later as place, sum(bytes) over later as total from hook_deliveries
       where hook_id = h.id window later as (order by number desc)) n
     where place > $1 or total > $2) d
   where d.last is not null`,
  (most: number, mostBytes: number) => [most, mostBytes],
)
const sweepSurplus = query(
  'sweep_surplus_deliveries',
  swept,
  sweep(`select number from hook_deliveries
    where hook_id = $1 and number <= $2 and state <> 'waiting' order by number`),
  (hookId: number, last: number) => [hookId, last],
)

/** One collection at a time: a statement over several could wait for one that adds to them in another order. */
const freeBytes = change(
  'free_delivery_bytes',
  'update collection_usage set database_bytes = database_bytes - $2 where collection_id = $1',
  (collectionId: number, bytes: number) => [collectionId, bytes],
)

interface Kept {
  days: number
  /** Deliveries of one hook. */
  most: number
  /** Bytes of payloads of one hook. */
  bytes: number
}

/** Removes a bounded number of settled deliveries that are older than `days`, or too many or too large for one hook. */
export const sweepHookDeliveries = async (queries: Queries, { days, most, bytes }: Kept): Promise<void> => {
  let sweeps = 0
  const sweepAll = async (next: () => Promise<Row<typeof swept>[]>): Promise<void> => {
    while (sweeps++ < mostSweeps) {
      const gone = await next()
      for (const one of gone) await freeBytes(queries, one.collection_id, one.bytes)
      if (gone.reduce((sum, { deliveries: count }) => sum + count, 0) < sweptAtOnce) return
    }
  }
  await sweepAll(() => sweepOld(queries, days))
  for (const { id, last } of await fullHooks(queries, most, bytes))
    await sweepAll(() => sweepSurplus(queries, id, last))
}
