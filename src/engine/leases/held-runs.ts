import type { Queries } from '../../store/database/database.ts'
import { int, nothing, queryOne } from '../../store/database/table.ts'
import { enqueueLease } from './lease-queue.ts'

/** Lease of runs that were parked when they were restored. Nothing queues it. */
const heldLease = 'held'

/**
 * Statements that hold the open runs of a restored database: no process owns their leases, and none is queued. Epoch 0 is
 * that of a lease without a worker, so a held run can be cancelled.
 */
export const holdRunsStatements: readonly string[] = [
  `update leases set owner = '', epoch = 0`,
  `insert into leases (id, epoch, owner) values ('${heldLease}', 0, '') on conflict do nothing`,
  `update runs set lease = '${heldLease}' where lease is null and ended_at is null`,
]

/** SQL condition: the lease \`id\` is held: it is not queued, and no process owns it. */
const isHeld = (id: string): string => `not exists (select from queued_leases q where q.id = ${id})
  and not exists (select from leases l where l.id = ${id} and l.owner <> '')`

const heldRuns = queryOne(
  'count_held_runs',
  { held: int },
  `select count(*)::int as held from runs where ended_at is null and lease is not null and ${isHeld('lease')}`,
)

/** Counts the runs that are held. */
export const countHeldRuns = async (queries: Queries): Promise<number> => {
  const row = await heldRuns(queries)
  return row?.held ?? 0
}

const queuedAtOnce = 500

const queueHeldRuns = queryOne(
  'queue_held_runs',
  { leases: int, runs: int, pg_notify: nothing },
  `with held as materialized (
       select lease as id, min(collection_id) as collection, min(runs_on) as runs_on, count(*) as runs from runs
       where ended_at is null and lease is not null and ${isHeld('lease')} group by lease limit ${queuedAtOnce}),
     -- A claim needs the row of the lease.
     made as (insert into leases (id, epoch, owner, runs_on) select id, 0, '', runs_on from held on conflict do nothing),
     queued as materialized (select runs, ${enqueueLease('id', 'collection', 'runs_on')} as lease from held)
     select count(lease)::int as leases, coalesce(sum(runs), 0)::int as runs, pg_notify(channel('runs'), '') from queued`,
)

/** Queues some leases of held runs. Returns how many leases, and how many runs they have. */
const queueSome = async (queries: Queries): Promise<{ leases: number; runs: number }> => {
  const row = await queueHeldRuns(queries)
  return row ?? { leases: 0, runs: 0 }
}

const parkHeldRuns = queryOne(
  'park_held_runs',
  { count: int },
  `with parked as (
       update runs set lease = null, wake_at = case when decided_seq is null then wake_at else now() end
       where lease = '${heldLease}' and ended_at is null returning 1)
     select count(*)::int as count from parked`,
)

/**
 * Parks again what was parked, and queues the leases of all other held runs. Returns the number of runs. If it is
 * interrupted, the next call does the rest.
 */
export const releaseHeldRuns = async (queries: Queries): Promise<number> => {
  const parked = await parkHeldRuns(queries)
  await queries.rows('drop_held_lease', `delete from leases where id = '${heldLease}'`)
  let released = parked?.count ?? 0
  for (;;) {
    const { leases, runs } = await queueSome(queries)
    if (leases === 0) return released
    released += runs
  }
}
