import { setImmediate as nextTurn } from 'node:timers/promises'
import { batched } from '../../lib/batch.ts'
import type { Share } from '../../lib/memory/byte-budget.ts'
import { now } from '../../lib/time.ts'
import type { RunStatus } from '../../model/workflows/workflow.ts'
import type { EngineContext } from '../context.ts'
import { Fenced } from '../journal/journal.ts'
import type { RunLeft } from '../runs/run.ts'
import { isGivenToAnother } from './dbos.ts'
import type { Leases, LocalLease } from './leases.ts'
import { giveUp, type OpenRun, toLiveRun } from './resume.ts'
import { deathsToFail, suspectedFrom } from './suspects.ts'

interface ClaimedLease {
  id: string
  epoch: number
  share: number | null
  halted: boolean
  previous_owner: string
}

interface Claimed {
  /** undefined: somebody else has it. */
  lease: ClaimedLease | undefined
  runs: OpenRun[]
}

/**
 * Statement 1 of a claim. From here on nobody else can write for these leases. One who was frozen between being told to
 * take a lease and doing so must not take it from whoever has it by now.
 */
const claimStatement = `
  update leases l set epoch = l.epoch + 1, owner = $2
  from (select id, owner from leases where id = any($1::text[]) and not ${isGivenToAnother('leases.id', '$2')}
        order by id for update) previous
  where previous.id = l.id returning l.id, l.epoch, l.share, l.halted, previous.owner previous_owner`

/**
 * Statement 2: a lease that had an owner lost it by death. Each of its runs counts that; from the second death at one
 * step on only those that had begun under the dead owner do. A step that only waits has nothing to do with a death, nor
 * has a run that had no permit yet; a step completed in between starts the count anew. Locked in the order of ids, as
 * labels lock them.
 */
const countDeathsStatement = `
  with at as materialized (
    select id, coalesce((select max(seq) from steps where run_id = runs.id and ended_at is not null), -1) + 1 seq
    from runs where lease = any($1::text[]) and ended_at is null order by id for no key update)
  update runs r set deaths = case when at.seq = r.death_seq then r.deaths + 1 else 1 end, death_seq = at.seq from at
  where r.id = at.id
    and not exists (
      select from steps s where s.run_id = r.id and s.seq = at.seq and s.ended_at is null and s.wake_at is not null)
    and not exists (
      select from leases l where l.id = r.lease and l.share <= (select count(*) from runs before
        where before.lease = r.lease and before.ended_at is null
          and (before.deaths, before.number) < (r.deaths, r.number)))
    and (r.deaths < ${suspectedFrom} or r.death_seq <> at.seq or exists (
    select from steps s where s.run_id = r.id and s.ended_at is null and s.wake_at is null
      and s.epoch = (select epoch - 1 from leases where id = r.lease)))`

/**
 * A queued run starts now; where only some may execute at once, with its first record. Locked in that order too, and
 * before a number is drawn.
 */
const startStatement = `
  with queued as materialized (
    select id from runs where lease = any($1::text[]) and status = 'pending' and ended_at is null
    order by id for no key update)
  update runs r set status = 'running', started_at = coalesce(started_at, now()), changed = nextval('changes')
  from queued where r.id = queued.id`

/** A lease may have thousands of runs: larger `init_params` are read when the run goes on, once there is room for them. */
const smallInitParams = 4 * 1024

/** Statement 3, with a snapshot taken after the locks were won: what is open, and where each run stands. */
const loadStatement = `
  select r.id, r.lease, r.trajectory_id, r.collection_id, r.task_id, r.name, r.definition, r.author,
    case when octet_length(r.init_params) <= ${smallInitParams} then r.init_params end init_params,
    coalesce(octet_length(r.init_params), 0) init_params_bytes,
    r.environment_id, r.sealed_secrets, r.status, r.requested_status, r.depth, r.replay_of, r.refusal, r.deaths,
    s.seq, s.ended_at is not null step_ended, s.wake_at is not null waiting, s.attempt, s.started_at, s.work_ms
  from runs r left join lateral (
    select seq, ended_at, wake_at, attempt, started_at, work_ms from steps where run_id = r.id order by seq desc limit 1) s on true
  where r.lease = any($1::text[]) and r.ended_at is null order by r.lease, r.deaths, r.number`

const resumedAtOnce = 200

/** Takes leases over and continues every open run in them after its last completed step. */
export const makeTakeover = (engine: EngineContext, leases: Leases): ((leaseId: string) => Promise<LocalLease>) => {
  const claim = batched(async (ids: string[]): Promise<Claimed[]> => {
    const { database } = engine
    const claimed = await database.rows<ClaimedLease>('claim', claimStatement, [ids, engine.executor])
    const orphaned = claimed.filter((row) => row.previous_owner !== '').map((row) => row.id)
    const starting = claimed.filter((row) => row.previous_owner === '' && row.share === null).map((row) => row.id)
    if (orphaned.length > 0) await database.rows('count_deaths', countDeathsStatement, [orphaned])
    if (starting.length > 0) await database.rows('start_queued', startStatement, [starting])
    const runs = await database.rows<OpenRun>('load_open', loadStatement, [ids])
    const held = new Map(claimed.map((row) => [row.id, row]))
    const byLease = groupByLease(runs)
    return ids.map((id) => ({ lease: held.get(id), runs: held.has(id) ? (byLease.get(id) ?? []) : [] }))
  })

  const resume = async (lease: LocalLease, open: OpenRun): Promise<void> => {
    lease.open++
    lease.total++
    let giveBack = () => {}
    const share = engine.memory.open(open.collection_id)
    try {
      if (open.deaths >= deathsToFail) return leases.leave(lease, await giveUp(engine, lease, open))
      giveBack = await takePermit(engine, leases, lease, open)
      if (open.init_params === null) await holdInitParams(engine, open, share)
      if (lease.halted && hasNotBegun(open)) leases.leave(lease, await endUnbegun(engine, lease, open))
      else await leases.work(lease, await toLiveRun(engine, open))
    } catch (error) {
      if (error instanceof Fenced) return leases.leave(lease, 'fenced')
      engine.log.error({ err: error, run: open.trajectory_id }, 'run could not be resumed')
      leases.leave(lease, 'released')
    } finally {
      giveBack()
      share.end()
    }
  }

  /** In slices: the first runs have their next step on disk before the last ones are made ready. */
  const resumeAll = async (lease: LocalLease, runs: OpenRun[]): Promise<void> => {
    for (let at = 0; at < runs.length; at += resumedAtOnce) {
      for (const open of runs.slice(at, at + resumedAtOnce)) void resume(lease, open)
      await nextTurn()
    }
    leases.leave(lease)
  }

  const take = async (leaseId: string): Promise<LocalLease> => {
    const { lease: claimed, runs } = await claim(leaseId)
    const lease = leases.hold(leaseId, claimed?.epoch ?? 0, claimed?.share)
    if (!claimed) {
      leases.lost(lease)
      return lease
    }
    lease.halted = claimed.halted
    lease.closed = true
    lease.open++
    void resumeAll(lease, runs)
    return lease
  }

  const taking = new Map<string, Promise<LocalLease>>()
  return (leaseId) => {
    const held = leases.local.get(leaseId)
    if (held) return Promise.resolve(held)
    const pending = taking.get(leaseId) ?? take(leaseId).finally(() => taking.delete(leaseId))
    taking.set(leaseId, pending)
    return pending
  }
}

const groupByLease = (runs: OpenRun[]): Map<string, OpenRun[]> => {
  const groups = new Map<string, OpenRun[]>()
  for (const run of runs) {
    const group = groups.get(run.lease)
    if (group) group.push(run)
    else groups.set(run.lease, [run])
  }
  return groups
}

/** Waits for one of the permits of its lease. Whoever asks it to end meanwhile lets it pass, to end. */
const takePermit = async (
  engine: EngineContext,
  leases: Leases,
  lease: LocalLease,
  open: OpenRun,
): Promise<() => void> => {
  const { gate } = lease
  if (!gate || lease.halted || open.requested_status) return () => {}
  const ask = (status: RunStatus) => {
    open.requested_status ??= status
    gate.pass(open.id)
  }
  const waiting = { depth: open.depth, ask }
  engine.atGate.set(open.id, waiting)
  leases.idle(lease, 1)
  const giveBack = await gate.enter(open.id)
  leases.idle(lease, -1)
  if (engine.atGate.get(open.id) === waiting) engine.atGate.delete(open.id)
  return giveBack
}

/** Its text, the buffer that brings it, and about as much once it is parsed. */
const copiesOfInitParams = 3

/** Waits for room for large `init_params`. Whoever asks the run to end meanwhile lets it pass, to end. */
const holdInitParams = async (engine: EngineContext, open: OpenRun, share: Share): Promise<void> => {
  const controller = new AbortController()
  const ask = (status: RunStatus) => {
    open.requested_status ??= status
    controller.abort()
  }
  if (open.requested_status) return
  const waiting = { depth: open.depth, ask }
  engine.atGate.set(open.id, waiting)
  const what = `Run ${open.trajectory_id}`
  const signal = AbortSignal.any([controller.signal, engine.stopping])
  const most = Math.min(copiesOfInitParams * open.init_params_bytes, engine.memory.largest)
  try {
    await share.add(most, { what, signal })
  } catch (error) {
    if (!signal.aborted) throw error
  } finally {
    if (engine.atGate.get(open.id) === waiting) engine.atGate.delete(open.id)
  }
}

const hasNotBegun = ({ status, seq, requested_status: requested }: OpenRun): boolean =>
  status === 'pending' && seq === null && !requested

/** Another run of the same step has failed: what has not begun is left alone. Throws Fenced. */
const endUnbegun = async (engine: EngineContext, lease: LocalLease, open: OpenRun): Promise<RunLeft> => {
  const error = 'Not begun: another run of the same step had failed'
  const end = { runKey: open.id, status: 'cancelled' as const, error, endedMs: now() }
  await engine.journal.add({ lease, collectionId: open.collection_id, end })
  engine.onEnd(open.id)
  return 'cancelled'
}
