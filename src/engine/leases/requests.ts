import type { Queries } from '../../database/database.ts'
import { pause } from '../../lib/time.ts'
import type { RunStatus } from '../../model/workflows/workflow.ts'
import { endedRun, endedStep, keepTotals, otherShard } from '../../store/runs/totals.ts'
import type { EngineContext } from '../context.ts'
import { type Below, openBelow } from '../fan-out/fan-out-sql.ts'
import { Fenced } from '../journal/journal.ts'
import type { LeaseRef } from '../journal/journal-entry.ts'
import type { Leases, LocalLease } from './leases.ts'

/**
 * Asks runs to end with a status, in one statement under their leases' locks. A run that nobody owns ends here; one
 * that somebody works on is flagged and its owner told, for only the owner ends a started run.
 */
export const requestEnd = async (database: Queries, runKeys: string[], status: RunStatus): Promise<void> => {
  await database.rows(
    'request_end',
    `with held as materialized (
       select id, epoch from leases
       where id in (select lease from runs where id = any($1::text[]) and ended_at is null) order by id for share),
     idle as materialized (
       select id from runs r where id = any($1::text[]) and ended_at is null and (select count(*) from held) >= 0
         and (lease is null or exists (select from held where held.id = r.lease and held.epoch = 0))
       order by id for no key update),
     unowned as (
       update runs r set status = $2, requested_status = $2, ended_at = now(), sealed_secrets = null,
         error = case when $2 = 'cancelled' then 'Cancelled on request' when $2 = 'failed' then 'Marked as failed on request' end,
         changed = nextval('changes')
       from idle where r.id = idle.id and r.ended_at is null
       returning r.id, ${endedRun}),
     closed as (
       update steps s set status = 'cancelled', ended_at = now(), changed = nextval('changes')
       from unowned where s.run_id = unowned.id and s.ended_at is null
       returning ${endedStep('s', 'unowned.task_id')}),
     withdrawn as (
       delete from approvals a using unowned where a.run_id = unowned.id and a.decision is null),
     ended_runs as (select * from unowned),
     ended_steps as (select * from closed),
     ${keepTotals('$3::smallint')},
     -- Whose row the journal is writing right now is asked again: waiting for one while holding others would be a circle.
     owned as materialized (
       select id from runs r where id = any($1::text[]) and ended_at is null
         and lease in (select id from held where epoch > 0) order by id for no key update skip locked),
     flagged as (
       update runs r set requested_status = $2 from owned where r.id = owned.id and r.ended_at is null returning r.id)
     select (select count(*) from unowned)::int ended, count(*)::int flagged,
       count(pg_notify(channel('requests'), flagged.id)) told, (select count(*) from closed) closed from flagged`,
    [runKeys, status, otherShard()],
  )
}

/** Tells a run in this process, if it is here. */
const deliverRequest = (engine: EngineContext, runKey: string, status: RunStatus): void => {
  engine.atGate.get(runKey)?.(status)
  const run = engine.live.get(runKey)
  if (!run || run.requested) return
  run.requested = status
  for (const interrupt of [...run.interrupts]) interrupt()
}

/** What was asked of the runs that are open here, and of their leases; also the fallback for lost notifications. */
export const collectRequests = async (engine: EngineContext, leases: Leases): Promise<void> => {
  const open = [...leases.local.values()].filter((lease) => lease.open > 0)
  if (open.length === 0) return
  const rows = await engine.database.rows<{ id: string; requested_status: RunStatus | null }>(
    'requested',
    `select id, requested_status from runs
     where lease = any($1::text[]) and requested_status is not null and ended_at is null
     union all select id, null from leases where id = any($1::text[]) and halted`,
    [open.map((lease) => lease.id)],
  )
  for (const { id, requested_status: status } of rows) {
    if (status) deliverRequest(engine, id, status)
    else halt(leases.local.get(id))
  }
}

const halt = (lease: LocalLease | undefined): void => {
  if (!lease) return
  lease.halted = true
  lease.gate?.pass()
}

/** Asks open runs below others, at any depth, to end as cancelled. Gives how many were asked. Throws Fenced. */
export const endBelow = async (engine: EngineContext, below: Below): Promise<number> => {
  const open = await openBelow(engine.database, below)
  if (!open) throw new Fenced(below.lease?.id)
  if (open.length > 0) await requestEnd(engine.database, open, 'cancelled')
  for (const runKey of open) deliverRequest(engine, runKey, 'cancelled')
  return open.length
}

const askAgainMs = 50

/**
 * Resolves when nothing is open below a run that is to end itself, or below one step of it. False: the process stops, and
 * whoever has the run next goes on with that. Throws Fenced.
 */
export const endAllBelow = async (
  engine: EngineContext,
  lease: LeaseRef,
  runKey: string,
  seq?: number,
): Promise<boolean> => {
  while ((await endBelow(engine, { runKeys: [runKey], seq, lease })) > 0) {
    if (!(await pause(askAgainMs, engine.stopping))) return false
  }
  return true
}

/**
 * Asks again until every run has ended, and all below them: one may be changing hands, be going to sleep, or be starting
 * runs while it is asked.
 */
export const settle = async (
  engine: EngineContext,
  wait: (runKey: string, signal: AbortSignal) => Promise<boolean>,
  runKeys: string[],
  status: RunStatus,
  seconds: number,
): Promise<void> => {
  let open = runKeys
  const deadline = performance.now() + seconds * 1000
  for (;;) {
    if (open.length > 0) await requestEnd(engine.database, open, status)
    for (const runKey of open) deliverRequest(engine, runKey, status)
    const below = await endBelow(engine, { runKeys })
    if (open.length === 0 && below === 0) return
    const signal = AbortSignal.timeout(Math.min(500, Math.max(1, deadline - performance.now())))
    const ended = await Promise.all(open.map((runKey) => wait(runKey, signal)))
    open = open.filter((_, at) => !ended[at])
    if (open.length === 0 && below > 0) await pause(askAgainMs)
    if (performance.now() >= deadline) return
  }
}
