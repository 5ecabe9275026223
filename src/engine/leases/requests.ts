import type { Queries } from '../../database/database.ts'
import { pause } from '../../lib/time.ts'
import type { RunStatus } from '../../model/workflows/workflow.ts'
import { endedRun, endedStep, keepTotals, otherShard } from '../../store/runs/totals.ts'
import type { EngineContext, LiveRun } from '../context.ts'
import { type Below, openBelow } from '../fan-out/fan-out-sql.ts'
import { Fenced } from '../journal/journal.ts'
import type { LeaseRef } from '../journal/journal-entry.ts'
import type { Leases, LocalLease } from './leases.ts'
import { keysAbove, rootKey } from './run-keys.ts'

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
       count(pg_notify(channel('requests'), '')) told, (select count(*) from closed) closed from flagged`,
    [runKeys, status, otherShard()],
  )
}

/** Tells a run in this process, if it is here. */
export const deliverRequest = (engine: EngineContext, runKey: string, status: RunStatus): void => {
  engine.atGate.get(runKey)?.ask(status)
  const run = engine.live.get(runKey)
  if (!run || run.requested) return
  run.requested = status
  for (const interrupt of [...run.interrupts]) interrupt()
}

/** Runs here by the run at the top of their tree, which is elsewhere or here. */
const runsByRoot = (engine: EngineContext): Map<string, string[]> => {
  const trees = new Map<string, string[]>()
  const add = (key: string, depth: number) => {
    const root = rootKey({ key, depth })
    const keys = trees.get(root)
    if (keys) keys.push(key)
    else trees.set(root, [key])
  }
  for (const [key, { depth }] of engine.atGate) if (depth > 0) add(key, depth)
  for (const [key, { depth, requested }] of engine.live) if (depth > 0 && !requested) add(key, depth)
  return trees
}

/**
 * Tells all runs here whose tree is to end. One row says so: the sweep of the tree marks thousands, and a run that has
 * not heard of it starts others meanwhile.
 */
const endTrees = async (engine: EngineContext): Promise<void> => {
  const trees = runsByRoot(engine)
  if (trees.size === 0) return
  const ending = await engine.urgent.rows<{ id: string }>(
    'ending_trees',
    'select id from runs where id = any($1::text[]) and requested_status is not null',
    [[...trees.keys()]],
  )
  for (const { id } of ending) {
    for (const key of trees.get(id) ?? []) {
      const run = engine.live.get(key)
      if (run) run.isTreeEnding = true
      deliverRequest(engine, key, 'cancelled')
    }
  }
}

/** What was asked of the runs that are open here, and of their leases; also the fallback for lost notifications. */
export const collectRequests = async (engine: EngineContext, leases: Leases): Promise<void> => {
  const open = [...leases.local.values()].filter((lease) => lease.open > 0)
  if (open.length === 0) return
  await endTrees(engine)
  const rows = await engine.urgent.rows<{ id: string; requested_status: RunStatus | null }>(
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

/**
 * Asks open runs below others, at any depth, to end as cancelled: a bounded number of them, and `more` where others may
 * be left to ask. Gives `none` when nothing is open. Throws Fenced.
 */
export const endBelow = async (engine: EngineContext, below: Below): Promise<'none' | 'asked' | 'more'> => {
  // The one sweep of a tree goes before the statements of its thousands of runs.
  const database = below.asks === 'none' ? engine.database : engine.urgent
  const found = await openBelow(database, below)
  if (!found) throw new Fenced(below.lease?.id)
  if (found.keys.length > 0) await requestEnd(database, found.keys, 'cancelled')
  for (const runKey of found.keys) deliverRequest(engine, runKey, 'cancelled')
  if (!found.open) return 'none'
  return found.more ? 'more' : 'asked'
}

const askAgainMs = 50
const lookAgainMs = 500

/**
 * Finds out whether a run above was asked to end. The owner of that one asks all runs below it, so nobody else has to:
 * with a thousand parents that all ask the same runs, a cancel would not come to an end.
 */
export const isAskedAbove = async (engine: EngineContext, run: LiveRun): Promise<boolean> => {
  if (run.depth === 0) return false
  if (run.isTreeEnding) return true
  const [row] = await engine.database.rows<{ asked: boolean }>(
    'is_asked_above',
    'select exists (select from runs where id = any($1::text[]) and requested_status is not null) as asked',
    [keysAbove(run)],
  )
  return row?.asked ?? false
}

/** Processes hear of a tree that is to end within a second; what is open later is marked, row by row. */
const hearsWithinMs = 2_000

/**
 * Which runs below a run are to be asked to end, `sinceMs` after the first look. With the whole tree, every process tells
 * its own runs, and what nobody works on is left.
 */
export const whomToAsk = ({ depth, requested }: LiveRun, sinceMs: number): 'all' | 'idle' =>
  depth === 0 && requested !== undefined && performance.now() - sinceMs < hearsWithinMs ? 'idle' : 'all'

/**
 * Resolves when nothing is open below a run that is to end itself, or below one step of it. False: the process stops, and
 * the next owner of the run continues with that. Throws Fenced.
 */
export const endAllBelow = async (
  engine: EngineContext,
  lease: LeaseRef,
  run: LiveRun,
  seq?: number,
): Promise<boolean> => {
  const below: Below = { runKeys: [run.key], seq, lease }
  if ((await endBelow(engine, { ...below, asks: 'none' })) === 'none') return true
  const isAsked = await isAskedAbove(engine, run)
  const sinceMs = performance.now()
  for (let wait = askAgainMs; ; wait = Math.min(wait * 1.5, lookAgainMs)) {
    if (!(await pause(wait, engine.stopping))) return false
    const asks = isAsked ? 'none' : whomToAsk(run, sinceMs)
    let state = await endBelow(engine, { ...below, asks })
    while (state === 'more') state = await endBelow(engine, { ...below, asks })
    if (state === 'none') return true
  }
}

/** Runs that one statement asks to end. */
const askedAtOnce = 500

/**
 * Asks runs to end, and waits for it until the time is over. Each is marked first, by short statements on connections
 * that nothing else uses: from then on nothing is started below it, and its owner ends what is open there. A run may be
 * changing hands or going to sleep while it is asked, so one that is still open is asked again.
 */
export const settle = async (
  engine: EngineContext,
  urgent: Queries,
  wait: (runKey: string, signal: AbortSignal) => Promise<boolean>,
  runKeys: string[],
  status: RunStatus,
  seconds: number,
): Promise<void> => {
  const deadline = performance.now() + seconds * 1000
  const over = AbortSignal.timeout(seconds * 1000)
  const ask = async (open: string[]): Promise<void> => {
    for (let at = 0; at < open.length; at += askedAtOnce) {
      await requestEnd(urgent, open.slice(at, at + askedAtOnce), status)
    }
    for (const runKey of open) deliverRequest(engine, runKey, status)
  }
  await ask(runKeys)
  for (let open = runKeys; open.length > 0 && !over.aborted; ) {
    const left = deadline - performance.now()
    const signal = AbortSignal.timeout(Math.min(lookAgainMs, Math.max(1, Math.ceil(left))))
    const ended = await Promise.all(open.map((runKey) => wait(runKey, signal)))
    open = open.filter((_, at) => !ended[at])
    await ask(open).catch((error) => engine.log.debug({ err: error }, 'runs are asked to end again later'))
  }
}
