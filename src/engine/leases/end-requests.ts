import type { Logger } from '../../lib/log.ts'
import type { RunStatus } from '../../model/workflows/workflow.ts'
import { spentOnRun } from '../../store/calls/budget.ts'
import type { Queries } from '../../store/database/database.ts'
import { orNull, query, text, textOf } from '../../store/database/table.ts'
import { withdrawnOf } from '../../store/runs/answers.ts'
import { endedRun, endedStep, keepTotals, otherShard } from '../../store/runs/totals.ts'
import type { LocalLease } from './leases.ts'
import { rootKey } from './run-keys.ts'
import { interruptAll, type RunsUnderLease } from './run-under-lease.ts'

interface EndRequestDeps {
  /** Connections that no other statement can block. These queries wait for Postgres while it is away. */
  urgent: Queries
  /** The same connections for requests of clients: these queries fail while Postgres is away. */
  urgentRequests: Queries
  live: RunsUnderLease
  log: Logger
}

/** Delivers requests to end a run to the process that works on it. */
export interface EndRequests {
  /** Passes the request to a run in this process, if it is here. */
  deliver(runKey: string, status: RunStatus): void
  /** Calls back when a run that is not live yet is asked to end. Returns the function that stops it. */
  onRequest(run: { key: string; depth: number }, ask: (status: RunStatus) => void): () => void
  /** Reads the requests for open runs and leases of this process. Makes up for lost notifications. */
  collect(leases: ReadonlyMap<string, LocalLease>): Promise<void>
  /**
   * Asks runs to end, and waits until all have ended or the time is over. Each run is marked first, by short statements
   * on connections that nothing else uses: from then on nothing starts below it, and its owner ends what is open there.
   * A run that changes hands or parks meanwhile is asked again.
   */
  settle(runKeys: string[], status: RunStatus, options: { seconds: number; wait: WaitForEnd }): Promise<void>
}

/** Waits for the end of a run. Returns false when the signal fires first. */
type WaitForEnd = (runKey: string, signal: AbortSignal) => Promise<boolean>

/** Runs that one statement asks to end. */
const askedAtOnce = 500
const askAgainMs = 500

const endRequests = query(
  'end_requests',
  { id: text, status: textOf<RunStatus>() },
  'select id, requested_status as status from runs where id = any($1::text[]) and requested_status is not null',
  (runKeys: string[]) => [runKeys],
)

/** Reads which of these runs were asked to end, and how, by key. */
export const endRequestsOf = async (database: Queries, runKeys: string[]): Promise<Map<string, RunStatus>> => {
  const rows = await endRequests(database, runKeys)
  return new Map(rows.map(({ id, status }) => [id, status]))
}

/** Runs that wait for a permit of their lease, or for memory, by key. */
type WaitingRuns = Map<string, { depth: number; ask(status: RunStatus): void }>

/** Groups the child runs of this process by the run at the top of their tree, which may be in another process. */
const runsByRoot = (waiting: WaitingRuns, live: EndRequestDeps['live']): Map<string, string[]> => {
  const trees = new Map<string, string[]>()
  const add = (key: string, depth: number) => {
    const root = rootKey({ key, depth })
    const keys = trees.get(root)
    if (keys) keys.push(key)
    else trees.set(root, [key])
  }
  for (const [key, { depth }] of waiting) if (depth > 0) add(key, depth)
  for (const [key, { depth, requested }] of live) if (depth > 0 && !requested) add(key, depth)
  return trees
}

const requestsOfLeases = query(
  'requested',
  {
    id: text,
    requested_status: orNull(textOf<RunStatus>()),
  },
  `select id, requested_status from runs
         where lease = any($1::text[]) and requested_status is not null and ended_at is null
         union all select id, null from leases where id = any($1::text[]) and halted`,
  (leases: string[]) => [leases],
)

export const makeEndRequests = ({ urgent, urgentRequests, live, log }: EndRequestDeps): EndRequests => {
  const waiting: WaitingRuns = new Map()

  const deliver = (runKey: string, status: RunStatus): void => {
    waiting.get(runKey)?.ask(status)
    const run = live.get(runKey)
    if (!run || run.requested) return
    run.requested = status
    interruptAll(run)
  }

  /**
   * Ends all runs here whose tree is to end. One row in the database says so; the sweep that marks the tree's runs
   * takes longer, and unmarked runs would start others meanwhile.
   */
  const endTrees = async (): Promise<void> => {
    const trees = runsByRoot(waiting, live)
    if (trees.size === 0) return
    for (const [id, status] of await endRequestsOf(urgent, [...trees.keys()])) {
      deliver(id, status) // before it hears of the end of its child runs, which would be their failure
      for (const key of trees.get(id) ?? []) {
        const run = live.get(key)
        if (run) run.isTreeEnding = true
        deliver(key, 'cancelled')
      }
    }
  }

  const ask = async (runKeys: string[], status: RunStatus): Promise<void> => {
    for (let at = 0; at < runKeys.length; at += askedAtOnce) {
      await requestEnd(urgentRequests, runKeys.slice(at, at + askedAtOnce), status)
    }
    for (const runKey of runKeys) deliver(runKey, status)
  }

  return {
    deliver,

    onRequest({ key, depth }, callBack) {
      const one = { depth, ask: callBack }
      waiting.set(key, one)
      return () => {
        if (waiting.get(key) === one) waiting.delete(key)
      }
    },

    async collect(leases) {
      const open = [...leases.values()].filter((lease) => lease.open > 0)
      if (open.length === 0) return
      await endTrees()
      const rows = await requestsOfLeases(
        urgent,
        open.map((lease) => lease.id),
      )
      for (const { id, requested_status: status } of rows) {
        if (status) deliver(id, status)
        else halt(leases.get(id))
      }
    },

    async settle(runKeys, status, { seconds, wait }) {
      const deadline = performance.now() + seconds * 1000
      const over = AbortSignal.timeout(seconds * 1000)
      await ask(runKeys, status)
      for (let open = runKeys; open.length > 0 && !over.aborted; ) {
        const left = deadline - performance.now()
        const signal = AbortSignal.timeout(Math.min(askAgainMs, Math.max(1, Math.ceil(left))))
        const ended = await Promise.all(open.map((runKey) => wait(runKey, signal)))
        open = open.filter((_, at) => !ended[at])
        await ask(open, status).catch((error) => log.debug({ err: error }, 'runs are asked to end again later'))
      }
    },
  }
}

/** Starts no more runs of a lease. */
const halt = (lease: LocalLease | undefined): void => {
  if (!lease) return
  lease.halted = true
  lease.gate?.pass()
}

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
         cost_usd = ${spentOnRun}, changed = nextval('changes')
       from idle where r.id = idle.id and r.ended_at is null
       returning r.id, ${endedRun}),
     closed as (
       update steps s set status = 'cancelled', ended_at = now(), changed = nextval('changes')
       from unowned where s.run_id = unowned.id and s.ended_at is null
       returning ${endedStep('s', 'unowned.task_id')}),
     ${withdrawnOf('unowned')},
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
