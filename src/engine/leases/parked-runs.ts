import { randomUUID } from 'node:crypto'
import type { Queries } from '../../store/database/database.ts'
import { enqueueLease } from './lease-queue.ts'

const wokenAtOnce = 100
const resumedAtOnce = 1_000

/**
 * SQL condition: a parked run is due. Child runs are left out: the step that waits for them wakes them under its
 * concurrency limit.
 */
export const isDue = 'lease is null and ended_at is null and parent_id is null and wake_at <= now()'

/** SQL condition: a parked child run is due whose parent has ended. A process died before it could end both. */
const isOrphan = `lease is null and ended_at is null and parent_id is not null and wake_at <= now()
  and not exists (select from runs above where above.id = runs.parent_id and above.ended_at is null)`

/** Queues all parked runs that are due. */
export const wakeAllDue = async (database: Queries): Promise<void> => {
  while ((await wakeSome(database, 'wake_parked', isDue)) > 0) {}
}

/** Makes runs due that left memory because of a pause, if their collection is not paused any more. */
export const resumeHeld = async (database: Queries): Promise<void> => {
  for (;;) {
    const [row] = await database.rows<{ resumed: number }>(
      'resume_held',
      `with held as materialized (
         select id from runs r where wake_at = 'infinity' and lease is null and ended_at is null
           and not exists (select from collections c where c.id = r.collection_id and c.pauses is not null)
         limit ${resumedAtOnce} for no key update skip locked),
       resumed as (update runs r set wake_at = now() from held where r.id = held.id returning 1)
       select count(*)::int as resumed from resumed`,
    )
    if (row?.resumed !== resumedAtOnce) return
  }
}

/** Queues parked child runs that have lost their parent. */
export const wakeOrphans = async (database: Queries): Promise<void> => {
  while ((await wakeSome(database, 'wake_orphans', isOrphan)) > 0) {}
}

/** Queues a bounded number of runs of one collection, which ask for the same labels, under one lease. Returns their number. */
const wakeSome = async (database: Queries, name: string, condition: string): Promise<number> => {
  const leaseId = randomUUID()
  const [row] = await database.rows<{ woken: number }>(
    name,
    `with first as materialized (select collection_id, runs_on from runs where ${condition} order by wake_at limit 1),
     due as materialized (
       select id from runs where ${condition} and collection_id = (select collection_id from first)
         and runs_on is not distinct from (select runs_on from first)
       order by wake_at limit ${wokenAtOnce} for update skip locked),
     lease as (
       insert into leases (id, epoch, owner, runs_on) select $1, 0, '', runs_on from first where exists (select from due)
       returning id),
     moved as (update runs r set lease = $1 from due where r.id = due.id returning 1)
     select (select count(*) from moved)::int woken,
       (select ${enqueueLease('lease.id', 'first.collection_id', 'first.runs_on')} from lease, first) queued,
       (select pg_notify(channel('runs'), '') from lease) told`,
    [leaseId],
  )
  return row?.woken ?? 0
}
