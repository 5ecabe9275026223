import { pause } from '../../lib/time.ts'
import type { Queries } from '../../store/database/database.ts'
import { asGiven, bool, list, queryOne, text } from '../../store/database/table.ts'
import type { LeaseRef } from '../journal/journal-entry.ts'
import { Fenced } from '../journal/journal-sender.ts'
import { type EndRequests, endRequestsOf, requestEnd } from './end-requests.ts'
import { keysAbove, openBelowKeys } from './run-keys.ts'
import type { RunUnderLease } from './run-under-lease.ts'

interface EndBelowDeps {
  database: Queries
  /** Connections that no other statement can block. */
  urgent: Queries
  deliver: EndRequests['deliver']
  stopping: AbortSignal
}

/** Ends the child runs of a run that is to end itself. */
export interface EndBelow {
  /**
   * Asks a bounded number of open runs, at any depth, to end as cancelled. `more`: others may be left to ask. `none`:
   * nothing is open. Throws Fenced.
   */
  ask(below: Below): Promise<'none' | 'asked' | 'more'>
  /**
   * Whether a run above was asked to end. Only the owner of that run asks the runs below it: a cancel would not finish
   * if a thousand parents all asked the same runs.
   */
  isAskedAbove(run: Readonly<RunUnderLease>): Promise<boolean>
  /** Whether the run or one above it was asked to end. If so, this process ends it, as if it had been notified. */
  hearOfEnd(run: Readonly<RunUnderLease>): Promise<boolean>
  /**
   * Resolves when nothing is open below a run, or below its step `seq`. Returns false if the process stops: the next
   * owner of the run continues. Throws Fenced.
   */
  all(lease: LeaseRef, run: Readonly<RunUnderLease>, seq?: number): Promise<boolean>
}

const firstPauseMs = 50
const longestPauseMs = 500

/** Processes hear within a second of a tree that is to end. Runs that are open later are marked, row by row. */
const hearsWithinMs = 2_000

/**
 * Which runs below a run to ask to end, `sinceMs` after the first look. When a whole tree ends, every process ends its
 * own runs, so only runs without a worker remain.
 */
export const whomToAsk = ({ depth, requested }: Readonly<RunUnderLease>, sinceMs: number): 'all' | 'idle' =>
  depth === 0 && requested !== undefined && performance.now() - sinceMs < hearsWithinMs ? 'idle' : 'all'

const askedAbove = queryOne(
  'is_asked_above',
  { asked: bool },
  'select exists (select from runs where id = any($1::text[]) and requested_status is not null) as asked',
  (runKeys: string[]) => [runKeys],
)

export const makeEndBelow = ({ database, urgent, deliver, stopping }: EndBelowDeps): EndBelow => {
  const ask: EndBelow['ask'] = async (below) => {
    // The one sweep of a tree goes before the statements of its thousands of runs.
    const queries = below.asks === 'none' ? database : urgent
    const found = await openBelow(queries, below)
    if (!found) throw new Fenced(below.lease?.id)
    if (found.keys.length > 0) await requestEnd(queries, found.keys, 'cancelled')
    for (const runKey of found.keys) deliver(runKey, 'cancelled')
    if (!found.open) return 'none'
    return found.more ? 'more' : 'asked'
  }

  const isAskedAbove: EndBelow['isAskedAbove'] = async (run) => {
    if (run.depth === 0) return false
    if (run.isTreeEnding) return true
    const row = await askedAbove(database, keysAbove(run))
    return row?.asked ?? false
  }

  const hearOfEnd: EndBelow['hearOfEnd'] = async (run) => {
    const asked = await endRequestsOf(database, [run.key, ...keysAbove(run)])
    if (asked.size === 0) return false
    deliver(run.key, asked.get(run.key) ?? 'cancelled')
    return true
  }

  return {
    ask,
    isAskedAbove,
    hearOfEnd,
    async all(lease, run, seq) {
      const below: Below = { runKeys: [run.key], seq, lease }
      if ((await ask({ ...below, asks: 'none' })) === 'none') return true
      const isAsked = await isAskedAbove(run)
      const sinceMs = performance.now()
      for (let wait = firstPauseMs; ; wait = Math.min(wait * 1.5, longestPauseMs)) {
        if (!(await pause(wait, stopping))) return false
        const asks = isAsked ? 'none' : whomToAsk(run, sinceMs)
        let state = await ask({ ...below, asks })
        while (state === 'more') state = await ask({ ...below, asks })
        if (state === 'none') return true
      }
    },
  }
}

/** Selects child runs, at any depth: those below some runs, or below one step of a run. */
interface Below {
  runKeys: string[]
  seq?: number | undefined
  /** The lease of the run above. Once it is lost, nothing is found. */
  lease?: LeaseRef
  /** Which runs to find: `all`, those without a worker (`idle`), or `none`, to check only whether some are open. */
  asks?: 'all' | 'idle' | 'none'
}

/** Open runs that one statement returns: enough to be quick, few enough to keep each statement short. */
const mostFound = 1_000

/** Open runs below others. */
interface OpenBelow {
  /** Whether there are any. */
  open: boolean
  /** Keys of the runs to ask to end: at most `mostFound`. */
  keys: string[]
  /** Whether more may remain to be asked. */
  more: boolean
}

const runsOpenBelow = queryOne(
  'open_below',
  { held: bool, open: bool, keys: list(text) },
  `with fence as materialized (
       select $3::text is null or exists (select from leases where id = $3 and epoch = $4) as held),
     below as not materialized (select r.* from ${openBelowKeys('id, lease, requested_status', '$1::text[]', '$2::int')} r),
     unasked as not materialized (select id from below where case $5 when 'all'
         then requested_status is null or lease is null
         else lease is null or exists (select from leases l where l.id = below.lease and l.epoch = 0) end)
     select held, held and exists (select from below limit 1) as open,
       array(select id from unasked where held and $5 <> 'none' limit ${mostFound}) as keys from fence`,
  asGiven,
)

/**
 * Finds open runs below others, at any depth, that were not asked to end yet, or that were asked and have left memory
 * since. Returns undefined if another process has the lease.
 */
const openBelow = async (
  database: Queries,
  { runKeys, seq, lease, asks = 'all' }: Below,
): Promise<OpenBelow | undefined> => {
  const row = await runsOpenBelow(database, runKeys, seq ?? null, lease?.id ?? null, lease?.epoch ?? null, asks)
  return row?.held ? { open: row.open, keys: row.keys, more: row.keys.length === mostFound } : undefined
}
