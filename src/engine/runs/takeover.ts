import { setImmediate as nextTurn } from 'node:timers/promises'
import { now, pause } from '../../lib/time.ts'
import { trialIn } from '../../model/runs/trial.ts'
import type { RunStatus } from '../../model/workflows/workflow.ts'
import type { Queries } from '../../store/database/database.ts'
import { bigint, int, orNull, query, type Row, smallint, text, textOf } from '../../store/database/table.ts'
import type { Environments } from '../environment/environments.ts'
import type { LeaseRef } from '../journal/journal-entry.ts'
import { Fenced } from '../journal/journal-sender.ts'
import { type EndRequests, endRequestsOf } from '../leases/end-requests.ts'
import { trustedMs } from '../leases/heartbeat.ts'
import { type ClaimedLease, releaseLease, takeLeases, takeOwnLeases } from '../leases/lease-queue.ts'
import { type Leases, type LocalLease, readEpochs } from '../leases/leases.ts'
import { rootKey } from '../leases/run-keys.ts'
import type { RunLeft } from '../leases/run-under-lease.ts'
import { deathsToFail, suspectedFrom } from '../leases/suspects.ts'
import type { Program } from '../program/program.ts'
import type { Programs } from '../program/programs.ts'
import { failureText, rowOf } from '../steps/step-record.ts'
import type { StepPlace } from '../steps/step-run.ts'
import type { LiveRun } from './live-run.ts'
import { refusalSentence } from './refusal.ts'
import { placeInOrder, placeSideBySide, workOn } from './run.ts'
import type { RunDeps } from './run-deps.ts'
import {
  lastRecord,
  type PositionRecord,
  parallelPosition,
  plainPosition,
  type RunPosition,
  steeredPosition,
} from './run-position.ts'

/** Loads runs that have not ended. */
interface ResumeDeps extends RunDeps {
  database: Queries
  programs: Pick<Programs, 'of'>
  environments: Pick<Environments, 'of'>
  /** Reads all records of a run that has branches, loops, or steps side by side. */
  positionRecords(runKey: string, program: Program): Promise<PositionRecord[]>
}

const openRun = {
  id: text,
  lease: text,
  trajectory_id: text,
  collection_id: bigint,
  /** Who pays for the collection: see `Owner`. */
  payer: bigint,
  task_id: bigint,
  name: text,
  definition: text,
  /** Null if it is too large to be read together with others: its steps read it. */
  init_params: orNull(text),
  init_params_bytes: int,
  author: text,
  environment_id: orNull(bigint),
  sealed_secrets: orNull(text),
  status: textOf<RunStatus>(),
  requested_status: orNull(textOf<RunStatus>()),
  depth: smallint,
  replay_of: orNull(text),
  trace_context: orNull(text),
  economy: orNull(text),
  trial: orNull(text),
  refusal: orNull(text),
  deaths: int,
  ...lastRecord,
}
/** The row of a run that has not ended, as the new owner of its lease reads it. */
type OpenRun = Row<typeof openRun>

const positionOf = async (deps: ResumeDeps, program: Program, open: OpenRun): Promise<RunPosition> => {
  if (!program.isSteered && !program.isParallel) return plainPosition(open)
  const records = await deps.positionRecords(open.id, program)
  return program.isParallel ? parallelPosition(program, records) : steeredPosition(program, records)
}

/** Makes a run in memory that continues after its records. */
const toLiveRun = async (deps: ResumeDeps, open: OpenRun): Promise<LiveRun> => {
  const [collection = '', task = ''] = open.name.split('/')
  const program = await deps.programs.of(open.definition)
  return {
    key: open.id,
    trajectoryId: open.trajectory_id,
    collectionId: open.collection_id,
    payer: open.payer,
    taskId: open.task_id,
    collection,
    task,
    author: open.author,
    program,
    initParams:
      open.init_params_bytes > 0 && open.init_params === null ? undefined : JSON.parse(open.init_params ?? '{}'),
    initParamsBytes: open.init_params_bytes,
    heldBytes: 0,
    environment: await deps.environments.of(open.environment_id, open.sealed_secrets, open.id, program.callbackSteps),
    depth: open.depth,
    replayOf: open.replay_of,
    trace: open.trace_context,
    economy: open.economy,
    trial: trialIn(open.trial),
    refusal: open.refusal === null ? null : refusalSentence(open.refusal),
    pending: open.status === 'pending',
    ...(await positionOf(deps, program, open)),
    underWay: 0,
    working: 0,
    workedUntilMs: 0,
    deaths: open.deaths,
    results: new Map(),
    requested: open.requested_status ?? undefined,
    interrupts: new Set(),
  }
}

/**
 * Fails a run at whose step the process has died too often, after its child runs. Of steps side by side it is unknown
 * which one killed the process: the first is named. Returns `released` if the process stops first.
 */
const giveUp = async (deps: ResumeDeps, lease: LeaseRef, open: OpenRun): Promise<'failed' | 'released'> => {
  const run = await toLiveRun(deps, open)
  if (!(await deps.endAllBelow(lease, run))) return 'released'
  const [first, ...others] = openPlaces(run)
  const name = first?.name ?? 'unknown'
  const message = `The process died ${open.deaths} times at step '${name}'; the run is not tried again`
  const error = JSON.stringify({ code: 'process_died', message, retryable: false, hint: null, cause: null })
  const endedMs = now()
  const end = { runKey: run.key, status: 'failed' as const, error: failureText(run, { name, message }), endedMs }
  const closed = others.map((place) =>
    deps.journal.add({ lease, owner: run, step: { ...rowOf(run, place), status: 'cancelled', endedMs } }),
  )
  const step = first && {
    ...rowOf(run, first),
    attempt: open.attempt ?? open.deaths,
    status: 'failed' as const,
    error,
    endedMs,
  }
  await Promise.all([deps.journal.add({ lease, owner: run, ...(step && { step }), end }), ...closed])
  deps.onEnd(run.key)
  return 'failed'
}

const openPlaces = (run: LiveRun): StepPlace[] => {
  const { steps, isParallel } = run.program
  if (!isParallel) return steps.slice(run.next, run.next + 1).map((step) => placeInOrder(run, step))
  const begun = steps.filter(({ index }) => run.begun?.has(index))
  const next = steps.filter(({ index }) => !run.branchState?.latest.has(index)).slice(0, 1)
  return (begun.length > 0 ? begun : next).map((step) => placeSideBySide(run, step))
}

const resumedAtOnce = 200

interface TakeoverDeps extends ResumeDeps {
  executor: string
  leases: Leases
  /** Queries that fail while Postgres is away: a lost answer must not repeat the taking of leases. */
  impatient: Queries
  onRequest: EndRequests['onRequest']
}

/** Takes leases over, and continues each of their open runs after its last completed step. */
export interface Takeover {
  /** Takes at most `most` leases from the queues, and returns their number. Their runs resume in the background. */
  take(queues: readonly string[], most: number): Promise<number>
  /** Takes the leases of an earlier process of the same name, and returns their number. Call it before any other is taken. */
  takeOwn(): Promise<number>
  /** Puts a lease back on its queue after a pause, when an unexpected error has stopped its runs. */
  giveBack(lease: LocalLease): Promise<void>
}

const giveBackAfterMs = 5_000

export const makeTakeover = (deps: TakeoverDeps): Takeover => {
  const { leases, database, impatient, executor } = deps

  const resume = async (lease: LocalLease, open: OpenRun): Promise<void> => {
    lease.open++
    lease.total++
    let giveBack = () => {}
    try {
      if (open.deaths >= deathsToFail) return leases.leave(lease, await giveUp(deps, lease, open))
      giveBack = await takePermit(deps, lease, open)
      if (lease.halted && hasNotBegun(open)) leases.leave(lease, await endUnbegun(deps, lease, open))
      else await workOn(deps, leases, lease, await toLiveRun(deps, open))
    } catch (error) {
      if (error instanceof Fenced) return leases.leave(lease, 'fenced')
      deps.log.error({ err: error, run: open.trajectory_id }, 'run could not be resumed')
      leases.leave(lease, 'released')
    } finally {
      giveBack()
    }
  }

  /** Resumes runs in slices: the first have their next step on disk before the last are made ready. */
  const resumeAll = async (lease: LocalLease, runs: OpenRun[]): Promise<void> => {
    for (let at = 0; at < runs.length; at += resumedAtOnce) {
      for (const open of runs.slice(at, at + resumedAtOnce)) void resume(lease, open)
      await nextTurn()
    }
    leases.leave(lease)
  }

  const hold = ({ id, epoch, share, halted }: ClaimedLease, runs: OpenRun[]): void => {
    const lease = leases.hold(id, epoch, share)
    lease.halted = halted
    lease.closed = true
    lease.open++
    void resumeAll(lease, runs)
  }

  /** Loads the runs of leases that were taken by a statement sent at `sentMs`, and continues them. */
  const holdAll = async (claimed: ClaimedLease[], sentMs: number): Promise<void> => {
    if (claimed.length === 0) return
    const runs = groupByLease(await loadRuns(database, claimed))
    for (const lease of await stillOwned(database, claimed, sentMs)) hold(lease, runs.get(lease.id) ?? [])
  }

  return {
    async take(queues, most) {
      const sentMs = performance.now()
      const claimed = await takeLeases(impatient, executor, queues, most)
      if (!deps.stopping.aborted) await holdAll(claimed, sentMs)
      return claimed.length
    },
    async takeOwn() {
      const sentMs = performance.now()
      const claimed = await takeOwnLeases(database, executor)
      await holdAll(claimed, sentMs)
      return claimed.length
    },
    async giveBack(lease) {
      if (!(await pause(giveBackAfterMs, deps.stopping)) || leases.local.get(lease.id) !== lease) return
      await releaseLease(database, executor, lease.id)
      leases.drop(lease)
    },
  }
}

/** Leaves out leases that peers may have taken meanwhile, if this process was paused since `sentMs`. */
const stillOwned = async (database: Queries, claimed: ClaimedLease[], sentMs: number): Promise<ClaimedLease[]> => {
  let owned = claimed
  for (let sinceMs = sentMs; performance.now() - sinceMs > trustedMs; ) {
    sinceMs = performance.now()
    const ids = owned.map(({ id }) => id)
    const epochs = await readEpochs(database, ids)
    owned = owned.filter(({ id, epoch }) => epochs.get(id) === epoch)
  }
  return owned
}

/**
 * Counts a death of the process for the runs of leases that had an owner. From the second death at one step
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

/** Reads the open runs, each with its newest record, with a snapshot taken after the lease was won. */
const loadStatement = `
  select r.id, r.lease, r.trajectory_id, r.collection_id,
    coalesce((select payer from collections c where c.id = r.collection_id), r.collection_id) payer, r.task_id, r.name, r.definition, r.author,
    case when octet_length(r.init_params) <= ${smallInitParams} then r.init_params end init_params,
    coalesce(octet_length(r.init_params), 0) init_params_bytes,
    r.environment_id, r.sealed_secrets, r.status, r.requested_status, r.depth, r.replay_of, r.trace_context, r.economy, r.trial, r.refusal, r.deaths,
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

const loadOpen = query('load_open', openRun, loadStatement, (ids: string[]) => [ids])

/** Loads the open runs of leases that were just taken. */
const loadRuns = async (database: Queries, claimed: ClaimedLease[]): Promise<OpenRun[]> => {
  const ids = claimed.map(({ id }) => id)
  const orphaned = claimed.filter((lease) => lease.former_owner !== '').map(({ id }) => id)
  const starting = claimed.filter((lease) => lease.former_owner === '' && lease.share === null).map(({ id }) => id)
  if (orphaned.length > 0) await database.rows('count_deaths', countDeathsStatement, [orphaned])
  if (starting.length > 0) await database.rows('start_queued', startStatement, [starting])
  const runs = await loadOpen(database, ids)
  await endWithTheirTree(database, runs)
  return runs
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

/** Waits for a permit of the lease. A run that is asked to end meanwhile passes without one. */
const takePermit = async (
  { leases, onRequest }: TakeoverDeps,
  lease: LocalLease,
  open: OpenRun,
): Promise<() => void> => {
  const { gate } = lease
  if (!gate || lease.halted || open.requested_status) return () => {}
  const stopListening = onRequest({ key: open.id, depth: open.depth }, (status) => {
    open.requested_status ??= status
    gate.pass(open.id)
  })
  leases.idle(lease, 1)
  const giveBack = await gate.enter(open.id)
  leases.idle(lease, -1)
  stopListening()
  return giveBack
}

const hasNotBegun = ({ status, seq, requested_status: requested }: OpenRun): boolean =>
  status === 'pending' && seq === null && !requested

/** Cancels a run that has not begun, since another run of the same step failed. Throws Fenced. */
const endUnbegun = async (deps: RunDeps, lease: LocalLease, open: OpenRun): Promise<RunLeft> => {
  const error = 'Not begun: another run of the same step had failed'
  const end = { runKey: open.id, status: 'cancelled' as const, error, endedMs: now() }
  await deps.journal.add({ lease, owner: { payer: open.payer, collectionId: open.collection_id }, end })
  deps.onEnd(open.id)
  return 'cancelled'
}
