import type { RunStatus } from '../../model/workflows/workflow.ts'
import type { Queries } from '../../store/database/database.ts'
import { asGiven, query, text, textOf } from '../../store/database/table.ts'
import { type Leased, makeWaitingSteps, type Waiting, type WaitingSteps } from './waiting-steps.ts'

/** Notifies waiting steps about the ends of their child runs: local ones at once, others by polling. */
export interface FanOutWatch {
  add(waiting: Waiting): void
  remove(waiting: Waiting): void
  /** Registers an open lease of a step. */
  leased(waiting: Waiting, lease: string, leased: Leased): void
  /** Reports the end of a run under this lease in this process. */
  ended(lease: string, status: RunStatus): void
  /** Reports that all runs of a lease are written, or will not be. */
  leaseIsDone(lease: string): void
  /** Polls at once. */
  hurry(): void
  /** Shares of all open leases under the step's concurrency limit. */
  sharesOf(waiting: Waiting): number[]
}

const shortestPauseMs = 20
const longestPauseMs = 500

// First tests whether any run is due at all, then step by step: a join would compare all with all.
const askStatement = `
  select 'lease' kind, l.id from unnest($1::text[]) l(id)
  where not exists (select from runs where lease = l.id and ended_at is null)
  union all
  select 'settled', p.run || '/' || p.seq from unnest($2::text[], $3::int[]) p(run, seq)
  where not exists (select from runs where parent_id = p.run and parent_seq = p.seq and ended_at is null)
  union all
  select 'failed', p.run || '/' || p.seq from unnest($4::text[], $5::int[]) p(run, seq)
  where exists (select from runs
    where parent_id = p.run and parent_seq = p.seq and ended_at is not null and status <> 'completed')
  union all
  select 'due', p.run || '/' || p.seq from unnest($6::text[], $7::int[]) p(run, seq)
  cross join lateral (select from runs where parent_id = p.run and parent_seq = p.seq
    and lease is null and ended_at is null and wake_at <= now() limit 1) one
  where (select exists (
    select from runs where lease is null and ended_at is null and parent_id is not null and wake_at <= now()))`

export const makeFanOutWatch = (database: Queries): FanOutWatch => {
  const steps = makeWaitingSteps()
  const poll = makePoll(database, steps)
  return {
    add(waiting) {
      steps.add(waiting)
      poll.start()
    },
    remove: steps.remove,
    leased: steps.leased,
    leaseIsDone: steps.leaseIsDone,
    ended: (lease, status) => countEnd(steps, lease, status),
    hurry: poll.hurry,
    sharesOf: (waiting) => [
      ...waiting.beside.values(),
      ...steps.sharing(waiting).flatMap(({ out }) => [...out.values()].map(({ share }) => share)),
    ],
  }
}

const countEnd = (steps: WaitingSteps, lease: string, status: RunStatus): void => {
  const waiting = steps.ofLease(lease)
  const runs = waiting?.out.get(lease)
  if (!waiting || !runs) return
  runs.open--
  runs.endedHere++
  if (runs.endedHere === 1) runs.firstEndMs = performance.now()
  if (status !== 'completed' && !waiting.failed) {
    waiting.failed = true
    if (waiting.asksForFailure) waiting.news()
  }
  if (runs.open > 0) return
  if (runs.endedHere > 1) waiting.paceMs = (performance.now() - runs.firstEndMs) / (runs.endedHere - 1)
  steps.leaseIsDone(lease)
}

const fanOuts = query(
  'fan_outs',
  { kind: textOf<'failed' | 'lease' | 'settled' | 'due'>(), id: text },
  askStatement,
  asGiven,
)

/** Polls for all steps in one query. Returns whether there was news. */
const ask = async (database: Queries, steps: WaitingSteps): Promise<boolean> => {
  const all = steps.all()
  const settling = all.filter(({ asksForEnd, out, settled }) => asksForEnd && out.size === 0 && !settled)
  const sleeping = all.filter(({ due }) => !due)
  const anxious = all.filter(({ asksForFailure, failed }) => asksForFailure && !failed)
  const leases = [...steps.writtenLeases(), ...all.flatMap(({ beside }) => [...beside.keys()])]
  const rows = await fanOuts(
    database,
    leases,
    ...[settling, anxious, sleeping].flatMap((some) => [some.map(({ runKey }) => runKey), some.map(({ seq }) => seq)]),
  )
  for (const { kind, id } of rows) {
    const waiting = steps.find(id)
    if (kind === 'lease') steps.leaseIsDone(id)
    else if (waiting && !waiting[kind]) {
      waiting[kind] = true
      waiting.news()
    }
  }
  return rows.length > 0
}

/** Polls adaptively while steps wait: often while there is news, rarely while nothing happens. */
const makePoll = (database: Queries, steps: WaitingSteps): { start(): void; hurry(): void } => {
  let asking = false
  let hurry = () => {}
  const pauseUnlessHurried = (milliseconds: number): Promise<void> =>
    new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds)
      hurry = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  const keepAsking = async (): Promise<void> => {
    if (asking) return
    asking = true
    let wait = shortestPauseMs
    while (!steps.isEmpty) {
      await pauseUnlessHurried(wait)
      const begun = performance.now()
      const answered = await ask(database, steps).catch(() => false)
      const took = performance.now() - begun
      wait = answered ? shortestPauseMs : Math.min(longestPauseMs, Math.max(wait * 1.3, 4 * took))
    }
    asking = false
  }
  return { start: () => void keepAsking(), hurry: () => hurry() }
}
