import type { ChildRun } from '../../activities/activity.ts'
import type { Queries } from '../../store/database/database.ts'
import {
  asGiven,
  bigint,
  bool,
  int,
  list,
  nothing,
  query,
  queryOne,
  type Row,
  text,
} from '../../store/database/table.ts'
import { identified } from '../../store/runs/changes.ts'
import { labelledRun, labelNewRuns } from '../../store/runs/labels.ts'
import { runInput } from '../journal/journal-columns.ts'
import type { LeaseRef } from '../journal/journal-entry.ts'
import { countNewRuns, newRunColumns, newRunRows, newRunValues } from '../journal/journal-sql.ts'
import { enqueueLease } from '../leases/lease-queue.ts'

/** A step that starts child runs: the key of its run, and its `seq`. */
export interface Parent {
  runKey: string
  seq: number
}

const runsFrom = 6
const labelsFrom = runsFrom + runInput.length

/**
 * Writes leases with their shares, runs with their labels, and the queue entries in one statement, so that a takeover
 * of the parent finds all of it or nothing. It writes only while the parent's lease is ours, and while neither the
 * parent nor a run above it was asked to end. A lease that is there already is not queued again.
 */
const emitStatement = `
with ${identified},
stopped as materialized (
  select from runs where id = any($${labelsFrom + 2}::text[]) and (requested_status is not null or ended_at is not null) limit 1),
fence as materialized (
  select 1 from leases where id = $1 and epoch = $2 and not exists (select from stopped) for share),
new_leases as (
  insert into leases (id, epoch, owner, share, runs_on)
  select u.id, 0, '', u.share, $${labelsFrom + 4}::text from unnest($4::text[], $5::int[]) u(id, share), fence
  on conflict do nothing returning id),
new_runs as (
  insert into runs (${newRunColumns}, status, created_at)
  select ${newRunValues}, 'pending', to_timestamp(u.created / 1000)
  from ${newRunRows(runsFrom)}, identified, fence
  on conflict do nothing
  returning id, task_id, ${labelledRun}),
${countNewRuns('$3::smallint')},
${labelNewRuns(`cross join unnest($${labelsFrom}::text[], $${labelsFrom + 1}::text[]) with ordinality u(key, value, at)`)},
queued as (
  select count(${enqueueLease('id', `$${labelsFrom + 3}::bigint`, `$${labelsFrom + 4}`)}), pg_notify(channel('runs'), '') from new_leases)
select exists (select from fence) held, exists (select from stopped) stopped, array(select id from new_runs) made,
  (select count from queued) queued`

/** Child runs and leases that one statement writes. */
interface Emission {
  parent: LeaseRef
  shard: number
  leases: { id: string; share: number }[]
  /** The columns of `runInput`. */
  runs: unknown[][]
  /** Labels of each run, set by its author. */
  labels: Record<string, string>
  /** Keys of the parent and of all runs above it. */
  above: string[]
  collectionId: number
  /** See `placementOf`. */
  placement: string | null
}

const emitted = { held: bool, stopped: bool, made: list(text) }
/** The result of writing child runs: whether the lease was held, whether a run above was asked to end, and the new keys. */
type Emitted = Row<typeof emitted>

const emitChildren = queryOne('emit_children', { ...emitted, queued: bigint }, emitStatement, asGiven)

/** Writes runs and their leases. */
export const emitRuns = async (
  database: Queries,
  { parent, shard, leases, runs, labels, above, collectionId, placement }: Emission,
): Promise<Emitted> => {
  const row = await emitChildren(
    database,
    parent.id,
    parent.epoch,
    shard,
    leases.map((lease) => lease.id),
    leases.map((lease) => lease.share),
    ...runs,
    Object.keys(labels),
    Object.values(labels),
    above,
    collectionId,
    placement,
  )
  return row ?? { held: false, stopped: false, made: [] }
}

const leaseOut = { id: text, share: int, open: int }
/** Runs of a step in one lease that is out. */
type LeaseOut = Row<typeof leaseOut>

/** The progress of a fan-out. */
export interface Progress {
  /** Indices below `next` have runs, except the `missing` ones. */
  next: number
  missing: number[]
  /** The leases in which something is open. */
  out: LeaseOut[]
  /** Leases of other steps of the run. */
  beside: LeaseOut[]
  /** Whether a run has failed or was cancelled. */
  failed: boolean
}

const childrenMissing = query(
  'children_missing',
  { index: int },
  `select index from generate_series(0, $3::int - 1) index
     except select child_index from runs where parent_id = $1 and parent_seq = $2 order by 1`,
  (runKey: string, seq: number, next: number) => [runKey, seq, next],
)

const childrenOut = query(
  'children_out',
  { ...leaseOut, seq: int },
  `select l.id, l.share, r.parent_seq as seq, count(*)::int as open from runs r join leases l on l.id = r.lease
     where r.parent_id = $1 and r.ended_at is null and l.share is not null group by 1, 2, 3`,
  (runKey: string) => [runKey],
)

const childrenMade = queryOne(
  'children_made',
  { next: int, total: int, failed: bool },
  `select coalesce(max(child_index), -1) + 1 as next, count(*)::int as total,
       exists (select from runs where parent_id = $1 and parent_seq = $2 and status in ('failed', 'cancelled')) as failed
     from runs where parent_id = $1 and parent_seq = $2`,
  (runKey: string, seq: number) => [runKey, seq],
)

export const readProgress = async (database: Queries, { runKey, seq }: Parent): Promise<Progress> => {
  const made = await childrenMade(database, runKey, seq)
  const next = made?.next ?? 0
  const failed = made?.failed ?? false
  const all = await childrenOut(database, runKey)
  const out = all.filter((lease) => lease.seq === seq)
  const beside = all.filter((lease) => lease.seq !== seq)
  if (next === (made?.total ?? 0)) return { next, missing: [], out, beside, failed }
  const gaps = await childrenMissing(database, runKey, seq, next)
  return { next, missing: gaps.map((gap) => gap.index), out, beside, failed }
}

const mostDue = 1_000

const childrenDue = queryOne(
  'children_due',
  { due: int },
  `select count(*)::int as due from (
       select from runs where parent_id = $1 and parent_seq = $2 and lease is null and ended_at is null
         and wake_at <= now() limit ${mostDue}) found`,
  (runKey: string, seq: number) => [runKey, seq],
)

/** Counts parked runs of a step that are due, up to the number that can start soon. */
export const countDue = async (database: Queries, { runKey, seq }: Parent): Promise<number> => {
  const row = await childrenDue(database, runKey, seq)
  return row?.due ?? 0
}

const wakeDueChildren = queryOne(
  'wake_children',
  { held: bool, woken: int, queued: text, told: nothing },
  `with fence as materialized (select 1 from leases where id = $1 and epoch = $2 for share),
     due as materialized (
       select r.id from runs r, fence where parent_id = $3 and parent_seq = $4 and lease is null and ended_at is null
         and wake_at <= now() order by wake_at limit $7 for update of r skip locked),
     new_lease as (
       insert into leases (id, epoch, owner, share, runs_on) select $5, 0, '', $6, $9::text where exists (select from due) returning id),
     moved as (update runs r set lease = $5 from due where r.id = due.id returning 1)
     select exists (select from fence) held, (select count(*) from moved)::int woken,
       (select ${enqueueLease('id', '$8::bigint', '$9')} from new_lease) queued,
       (select pg_notify(channel('runs'), '') from new_lease) told`,
  asGiven,
)

/** Queues due parked runs of a step, under a lease with its concurrency limit. Returns their number. */
export const wakeChildren = async (
  database: Queries,
  { runKey, seq }: Parent,
  parent: LeaseRef,
  lease: { id: string; share: number; size: number; collectionId: number; placement: string | null },
): Promise<{ held: boolean; woken: number }> => {
  const row = await wakeDueChildren(
    database,
    ...[parent.id, parent.epoch, runKey, seq, lease.id, lease.share, lease.size, lease.collectionId],
    lease.placement,
  )
  return row ?? { held: false, woken: 0 }
}

/** Stops leases: their runs that have not begun do not begin, and the owners are notified. */
export const haltLeases = async (database: Queries, leases: string[]): Promise<void> => {
  await database.rows(
    'halt_leases',
    `with held as materialized (select id from leases where id = any($1::text[]) order by id for update),
     halted as (update leases l set halted = true from held where l.id = held.id returning l.id)
     select count(pg_notify(channel('requests'), '')) from halted`,
    [leases],
  )
}

/** Characters of the error of a child run, as much as a person reads. */
export const shownError = 2_000

/** Runs of a step in the order of their items, from an index on. */
export const readChildren = (
  database: Queries,
  { runKey, seq }: Parent,
  from: number,
  limit: number,
): Promise<ChildRun[]> =>
  database.rows(
    'children',
    `select trajectory_id, name, status, child_index as index, left(error, ${shownError}) as error
     from runs where parent_id = $1 and parent_seq = $2 and child_index >= $3 order by child_index limit $4`,
    [runKey, seq, from, limit],
  )
