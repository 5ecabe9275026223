import type { Queries } from '../../database/database.ts'
import type { RunStatus } from '../../model/workflows/workflow.ts'
import { endedRun, endedStep, keepTotals, otherShard } from '../../store/runs/totals.ts'

/**
 * Asks runs to end with a status, in one statement under the locks of their leases. A run without an owner ends in this
 * statement. A run that a worker owns is flagged and its owner notified: only the owner ends a started run.
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
     unasked as (
       delete from event_waits w using unowned where w.run_id = unowned.id and w.outcome is null),
     ended_runs as (select * from unowned),
     ended_steps as (select * from closed),
     ${keepTotals('$3::smallint')},
     -- A row that the journal is writing right now is skipped, and asked again later: waiting for it while holding
     -- others could deadlock.
     owned as materialized (
       select id from runs r where id = any($1::text[]) and ended_at is null
         and lease in (select id from held where epoch > 0) order by id for no key update skip locked),
     flagged as (
       update runs r set requested_status = $2 from owned where r.id = owned.id and r.ended_at is null returning r.id)
     select (select count(*) from unowned)::int ended, count(*)::int flagged,
       count(pg_notify(channel('requests'), '')) told, (select count(*) from closed) closed from flagged`,
    [runKeys, status, otherShard()],
  )
}
