import { bool, int, nothing, queryOne } from '../../store/database/table.ts'
/**
 * Hands leases out. A lease is queued in the statement that writes it and its runs; a process takes it, and raises its
 * epoch, in another one. So what a process has is what PostgreSQL says, also when an answer was lost.
 *
 * Statements lock entries of the queue before leases, and skip entries that others have locked. Under the locks of leases
 * they only insert entries.
 *
 * Those that read the queue are not prepared: a plan that was made while it was empty would read all of it later.
 */

import { placementsWithin } from '../../model/runs/placement.ts'
import type { Queries } from '../../store/database/database.ts'

/** A lease that a process has taken. */
export interface ClaimedLease {
  id: string
  epoch: number
  /** Maximum of its runs that execute at once; null if there is none. */
  share: number | null
  /** Runs that have not begun do not begin any more. */
  halted: boolean
  /** The process that died with it; empty if none did. */
  former_owner: string
}

/**
 * Queues that a process with these labels takes from: one for each set of labels that it satisfies, and `''` for runs
 * that ask for none.
 */
export const queuesFor = (labels: readonly string[]): string[] => ['', ...placementsWithin(labels)]

/**
 * SQL expression that queues the lease `id`; it stands in the statement that also writes the lease and its runs, which are
 * all of one collection and ask for the same labels. Payers take turns: see the function in the migrations.
 */
export const enqueueLease = (id: string, collection: string, placement: string): string =>
  `enqueue_lease(${id}, coalesce((select c.payer from collections c where c.id = (${collection})::bigint),
     (${collection})::bigint), (${placement})::text)`

/** SQL expression: whether a lease waits in one of the queues. */
export const isQueued = (queues: readonly string[]): string =>
  `exists (select from queued_leases where placement in (${queues.map((name) => `'${name}'`).join(', ')}))`

/** Makes `$1` the owner of the leases in `next`, whose former owners can write no more. */
const claim = `
  held as materialized (
    select id, owner from leases where id = any(array(select id from next)) order by id for no key update),
  taken as (
    update leases l set epoch = l.epoch + 1, owner = $1 from held where l.id = held.id
    returning l.id, l.epoch, l.share, l.halted, held.owner as former_owner),
  gone as (
    delete from queued_leases where id = any(array(select id from next)) and (select count(*) from taken) >= 0)
  select id, epoch, share, halted, former_owner from taken`

/**
 * Takes at most `most` leases from the queues, and looks into the first of them first. Leaves out leases of this process:
 * peers have put them back while it was paused, and it reclaims them.
 */
export const takeLeases = (
  database: Queries,
  executor: string,
  queues: readonly string[],
  most: number,
): Promise<ClaimedLease[]> =>
  database.query(
    `with next as materialized (
       select entry.id from unnest($2::text[]) as queue(placement) cross join lateral (
         select q.id from queued_leases q where q.placement = queue.placement
           and not exists (select from leases l where l.id = q.id and l.owner = $1)
         order by q.turn, q.number limit $3 for no key update of q skip locked) entry
       limit $3),
     ${claim}`,
    [executor, queues, most],
  )

/** Takes the leases that an earlier process of this name had, if a run in them is open. */
export const takeOwnLeases = (database: Queries, executor: string): Promise<ClaimedLease[]> =>
  database.query(
    `with next as materialized (
       select id from leases l where owner = $1 and exists (select from runs where lease = l.id and ended_at is null)),
     ${claim}`,
    [executor],
  )

/**
 * Statement that puts the leases in `found` back on their queues: `released` with a new epoch and no owner, the others as a
 * dead process left them, so that the next owner counts its death. Leases without open runs are deleted.
 */
const putBack = (found: string): string => `
  with found as materialized (${found}),
  looked as materialized (select id, runs_on, released, has_open_runs(id) as is_open from found),
  deleted as (delete from leases where id = any(array(select id from looked where not is_open))),
  freed as (
    update leases set epoch = epoch + 1, owner = ''
    where id = any(array(select id from looked where is_open and released))),
  queued as materialized (select ${enqueueLease('id', 'null', 'runs_on')} from looked where is_open)
  select (select count(*) from queued)::int as queued, (select count(*) from looked where not is_open)::int as deleted,
    exists (select from queued_leases) as others, (select pg_notify(channel('runs'), '') where exists (select from queued))`

interface PutBack {
  queued: number
  deleted: number
  /** Whether leases were queued before. */
  others: boolean
}

const putBackOwn = queryOne(
  'release_leases',
  { queued: int, deleted: int, others: bool, pg_notify: nothing },
  putBack(`select id, runs_on, true as released from leases
      where owner = $1 and ($2::text[] is null or coalesce(runs_on, '') <> all ($2)) order by id for no key update`),
  (executor: string, queues: readonly string[] | null) => [executor, queues],
)

/**
 * Puts leases of a process that stops back on their queues, with a new epoch, and returns their number. With `queues`, only
 * leases that belong on none of them: a process that starts again may have lost labels.
 */
export const releaseLeases = async (
  database: Queries,
  executor: string,
  queues: readonly string[] | null = null,
): Promise<number> => {
  const row = await putBackOwn(database, executor, queues)
  return row?.queued ?? 0
}

/** Puts one lease of this process back on its queue, because its runs have stopped without an end. */
export const releaseLease = async (database: Queries, executor: string, id: string): Promise<void> => {
  const found = 'select id, runs_on, true as released from leases where id = $2 and owner = $1 for no key update'
  await database.rows('release_lease', putBack(found), [executor, id])
}

const putBackOfDead = queryOne(
  'queue_leases_of_dead',
  { queued: int, deleted: int, others: bool, pg_notify: nothing },
  putBack(`select id, runs_on, false as released from leases l
      where owner = $1 and not exists (select from queued_leases where id = l.id) order by id for no key update`),
  (executor: string) => [executor],
)

/** Queues the leases of a dead process, and returns their number. Until another one takes them, it may still be alive. */
export const queueLeasesOfDead = async (database: Queries, executor: string): Promise<number> => {
  const row = await putBackOfDead(database, executor)
  return row?.queued ?? 0
}

/** Takes leases off the queue that peers have put there while this process was paused. */
export const reclaimLeases = async (database: Queries, executor: string, ids: readonly string[]): Promise<void> => {
  await database.rows(
    'reclaim_leases',
    `delete from queued_leases q where id = any($2::text[]) and exists (select from leases where id = q.id and owner = $1)`,
    [executor, ids],
  )
}

const tidiedAtOnce = 500

/**
 * Finds leases that nobody works on. A lease of this process that is not in `held` has ended, or it was taken by a statement
 * whose answer was lost. A lease of a process that is not registered was opened by one that was taken for dead. What has
 * open runs is queued again, the rest deleted. Never call it while leases are being taken; one that this process opens
 * meanwhile is too young. Returns whether there may be more.
 */
export const tidyLeases = async (
  database: Queries,
  executor: string,
  held: readonly string[],
): Promise<PutBack & { more: boolean }> => {
  const [row] = await database.query<PutBack>(
    putBack(`select id, runs_on, owner = $1 as released from leases l
      where (owner = $1 and id <> all ($2::text[])
          and (opened_at < now() - interval '10 seconds' or not starts_with(id, $1 || ':')))
        or (owner > '' and owner <> $1
          and not exists (select from executors where id = l.owner)
          and not exists (select from queued_leases where id = l.id))
      order by id limit ${tidiedAtOnce} for no key update skip locked`),
    [executor, held],
  )
  const done = row ?? { queued: 0, deleted: 0, others: false }
  return { ...done, more: done.queued + done.deleted === tidiedAtOnce }
}

/**
 * Deletes queued leases whose runs have all ended; nobody may ever take them, if no process has their labels. Looks at a
 * bounded number of them, after the one that it is given. Returns where to go on, or `''` at the end.
 */
export const dropEndedLeases = async (database: Queries, after: string): Promise<string> => {
  const [row] = await database.query<{ looked: number; last: string }>(
    `with found as materialized (
       select q.id from queued_leases q join leases l using (id) where q.id > $1
       order by q.id limit ${tidiedAtOnce} for no key update skip locked),
     ended as materialized (select id from found where not has_open_runs(id)),
     unqueued as (delete from queued_leases where id = any(array(select id from ended))),
     deleted as (delete from leases where id = any(array(select id from ended)))
     select count(*)::int as looked, coalesce(max(id), '') as last from found`,
    [after],
  )
  return row && row.looked === tidiedAtOnce ? row.last : ''
}
