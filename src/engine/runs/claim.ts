import type { Queries } from '../../database/database.ts'
import { batched } from '../../lib/batch.ts'
import { isGivenToAnother } from '../leases/dbos.ts'
import { endRequestsOf } from '../leases/end-requests.ts'
import { rootKey } from '../leases/run-keys.ts'
import { suspectedFrom } from '../leases/suspects.ts'
import type { OpenRun } from './resume.ts'

export interface ClaimDeps {
  database: Queries
  executor: string
}

interface ClaimedLease {
  id: string
  epoch: number
  share: number | null
  halted: boolean
  previous_owner: string
}

interface ClaimedRuns {
  /** Undefined when another process has it. */
  lease: ClaimedLease | undefined
  runs: OpenRun[]
}

/**
 * Statement 1 of a claim. From here on no other process can write for these leases. A process that was frozen before it
 * could claim a lease must not take it from the owner that it has by now.
 */
const claimStatement = `
  update leases l set epoch = l.epoch + 1, owner = $2
  from (select id, owner from leases where id = any($1::text[]) and not ${isGivenToAnother('leases.id', '$2')}
        order by id for update) previous
  where previous.id = l.id returning l.id, l.epoch, l.share, l.halted, previous.owner previous_owner`

/**
 * Statement 2: counts a death of the process for the runs of leases that had an owner. From the second death at one step
 * on, only runs that had begun under the dead owner count it. A step that only waits counts none, nor does a run without
 * a permit. A step completed in between restarts the count, and so does a call that a chat step with tools has recorded. Rows are locked in the order of ids, as labels lock them.
 */
const countDeathsStatement = `
  with at as materialized (
    select id, coalesce((select max(seq) from steps where run_id = runs.id and ended_at is not null), -1) + 1 seq,
      (select count(*) from step_calls where run_id = runs.id) calls
    from runs where lease = any($1::text[]) and ended_at is null order by id for no key update)
  update runs r set deaths = case when at.seq = r.death_seq and at.calls = r.death_calls then r.deaths + 1 else 1 end,
    death_seq = at.seq, death_calls = at.calls from at
  where r.id = at.id
    and not exists (
      select from steps s where s.run_id = r.id and s.seq = at.seq and s.ended_at is null and s.wake_at is not null)
    and not exists (
      select from leases l where l.id = r.lease and l.share <= (select count(*) from runs before
        where before.lease = r.lease and before.ended_at is null
          and (before.deaths, before.number) < (r.deaths, r.number)))
    and (r.deaths < ${suspectedFrom} or r.death_seq <> at.seq or r.death_calls <> at.calls or exists (
    select from steps s where s.run_id = r.id and s.ended_at is null and s.wake_at is null
      and s.epoch = (select epoch - 1 from leases where id = r.lease)))`

/**
 * Marks queued runs as started; runs of a lease with a share start with their first record instead. Rows are locked in
 * the order of ids, before a change number is drawn.
 */
const startStatement = `
  with queued as materialized (
    select id from runs where lease = any($1::text[]) and status = 'pending' and ended_at is null
    order by id for no key update)
  update runs r set status = 'running', started_at = coalesce(started_at, now()), changed = nextval('changes')
  from queued where r.id = queued.id`

/** Larger `init_params` are read when the run resumes, once there is memory: a lease may have thousands of runs. */
const smallInitParams = 4 * 1024

/** Statement 3, with a snapshot taken after the locks were won: the open runs, each with its newest record. */
const loadStatement = `
  select r.id, r.lease, r.trajectory_id, r.collection_id, r.task_id, r.name, r.definition, r.author,
    case when octet_length(r.init_params) <= ${smallInitParams} then r.init_params end init_params,
    coalesce(octet_length(r.init_params), 0) init_params_bytes,
    r.environment_id, r.sealed_secrets, r.status, r.requested_status, r.depth, r.replay_of, r.refusal, r.deaths,
    s.seq, s.ended_at is not null step_ended, s.wake_at is not null waiting, s.attempt, s.started_at, s.work_ms
  from runs r left join lateral (
    select seq, ended_at, wake_at, attempt, started_at, work_ms from steps where run_id = r.id order by seq desc limit 1) s on true
  where r.lease = any($1::text[]) and r.ended_at is null order by r.lease, r.deaths, r.number`

/**
 * Asks runs of trees that are to end to end too. The sweep of a tree takes seconds to mark thousands of rows; a run that
 * is claimed meanwhile would begin first and hear of it later.
 */
const endWithTheirTree = async (database: Queries, runs: OpenRun[]): Promise<void> => {
  const roots = new Set(runs.filter(({ depth }) => depth > 0).map(({ id, depth }) => rootKey({ key: id, depth })))
  if (roots.size === 0) return
  const ending = await endRequestsOf(database, [...roots])
  for (const run of runs) {
    if (run.depth > 0 && ending.has(rootKey({ key: run.id, depth: run.depth }))) run.requested_status ??= 'cancelled'
  }
}

/** Makes the function that claims a lease and reads its open runs. Leases that arrive together share the statements. */
export const makeClaim = ({ database, executor }: ClaimDeps): ((leaseId: string) => Promise<ClaimedRuns>) =>
  batched(async (ids: string[]): Promise<ClaimedRuns[]> => {
    const claimed = await database.rows<ClaimedLease>('claim', claimStatement, [ids, executor])
    const orphaned = claimed.filter((row) => row.previous_owner !== '').map((row) => row.id)
    const starting = claimed.filter((row) => row.previous_owner === '' && row.share === null).map((row) => row.id)
    if (orphaned.length > 0) await database.rows('count_deaths', countDeathsStatement, [orphaned])
    if (starting.length > 0) await database.rows('start_queued', startStatement, [starting])
    const runs = await database.rows<OpenRun>('load_open', loadStatement, [ids])
    await endWithTheirTree(database, runs)
    const held = new Map(claimed.map((row) => [row.id, row]))
    const byLease = groupByLease(runs)
    return ids.map((id) => ({ lease: held.get(id), runs: held.has(id) ? (byLease.get(id) ?? []) : [] }))
  })

const groupByLease = (runs: OpenRun[]): Map<string, OpenRun[]> => {
  const groups = new Map<string, OpenRun[]>()
  for (const run of runs) {
    const group = groups.get(run.lease)
    if (group) group.push(run)
    else groups.set(run.lease, [run])
  }
  return groups
}
