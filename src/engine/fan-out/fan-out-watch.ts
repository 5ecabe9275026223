import type { Queries } from '../../database/database.ts'
import type { RunStatus } from '../../model/workflows/workflow.ts'
import type { Parent } from './fan-out-sql.ts'

/** An open lease, or one being written. */
export interface Leased {
  share: number
  /** Number of its open runs. */
  open: number
  /** Whether its runs are stored; before that their absence means nothing. */
  isWritten: boolean
  /** Number of its runs that ended in this process, and when the first did. */
  endedHere: number
  firstEndMs: number
}

export const newLeased = (share: number, open: number, isWritten: boolean): Leased => ({
  share,
  open,
  isWritten,
  endedHere: 0,
  firstEndMs: 0,
})

/** A step that waits for its child runs. */
export interface Waiting extends Parent {
  /** Its leases that may have open runs. */
  out: Map<string, Leased>
  /** Milliseconds between two ends in the last lease that ran here. */
  paceMs: number | undefined
  /** Whether a child run failed or was cancelled. */
  failed: boolean
  /** Whether the step needs to know about failures. */
  asksForFailure: boolean
  /** The step starts no more runs and waits for all open ones. */
  asksForEnd: boolean
  /** No child run is open any more. */
  settled: boolean
  /** Parked child runs are due, and wait for room. */
  due: boolean
  /** Its concurrency is shared with other steps of the run. */
  isSharing: boolean
  /** Shares by lease that a former owner of the run left open for other steps not waiting here yet. */
  beside: Map<string, number>
  /** Called when any of this changes. */
  news(): void
}

/** Notifies waiting steps about the ends of their child runs: local ones at once, others by polling. */
export interface FanOutWatch {
  add(waiting: Waiting): void
  remove(waiting: Waiting): void
  /** Registers an open lease of a step. */
  leased(waiting: Waiting, lease: string, leased: Leased): void
  /** Reports the end of a run under this lease in this process. */
  ended(lease: string, status: RunStatus): void
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

const keyOf = ({ runKey, seq }: Parent): string => `${runKey}/${seq}`

export const makeFanOutWatch = (database: Queries): FanOutWatch => {
  const waitingSteps = new Map<string, Waiting>()
  const byLease = new Map<string, Waiting>()
  const byRun = new Map<string, Set<Waiting>>()
  let asking = false

  const ofRun = ({ runKey }: Waiting): Waiting[] => [...(byRun.get(runKey) ?? [])]

  /** The step and those that share its concurrency limit. */
  const sharing = (waiting: Waiting): Waiting[] =>
    waiting.isSharing ? ofRun(waiting).filter(({ isSharing }) => isSharing) : [waiting]

  const leaseIsDone = (lease: string): void => {
    const waiting = byLease.get(lease)
    byLease.delete(lease)
    if (waiting?.out.delete(lease)) for (const one of sharing(waiting)) one.news()
    if (!waiting) for (const one of waitingSteps.values()) if (one.beside.delete(lease)) one.news()
  }

  const forget = (waiting: Waiting): void => {
    if (waitingSteps.get(keyOf(waiting)) === waiting) waitingSteps.delete(keyOf(waiting))
    for (const lease of waiting.out.keys()) if (byLease.get(lease) === waiting) byLease.delete(lease)
    const others = byRun.get(waiting.runKey)
    others?.delete(waiting)
    if (others?.size === 0) byRun.delete(waiting.runKey)
    if (waiting.isSharing) for (const one of others ?? []) one.news()
  }

  /** Polls for all steps in one query. Returns whether it was answered. */
  const ask = async (): Promise<boolean> => {
    const all = [...waitingSteps.values()]
    const settling = all.filter(({ asksForEnd, out, settled }) => asksForEnd && out.size === 0 && !settled)
    const sleeping = all.filter(({ due }) => !due)
    const anxious = all.filter(({ asksForFailure, failed }) => asksForFailure && !failed)
    const rows = await database.rows<{ kind: 'lease' | 'settled' | 'failed' | 'due'; id: string }>(
      'fan_outs',
      askStatement,
      [
        [
          ...[...byLease].flatMap(([lease, { out }]) => (out.get(lease)?.isWritten ? lease : [])),
          ...all.flatMap(({ beside }) => [...beside.keys()]),
        ],
        settling.map(({ runKey }) => runKey),
        settling.map(({ seq }) => seq),
        anxious.map(({ runKey }) => runKey),
        anxious.map(({ seq }) => seq),
        sleeping.map(({ runKey }) => runKey),
        sleeping.map(({ seq }) => seq),
      ],
    )
    for (const { kind, id } of rows) {
      const waiting = waitingSteps.get(id)
      if (kind === 'lease') leaseIsDone(id)
      else if (waiting && !waiting[kind]) {
        waiting[kind] = true
        waiting.news()
      }
    }
    return rows.length > 0
  }

  let hurry = () => {}
  const pauseUnlessHurried = (milliseconds: number): Promise<void> =>
    new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds)
      hurry = () => {
        clearTimeout(timer)
        resolve()
      }
    })

  /** Polls adaptively: often while there is news, rarely while nothing happens. */
  const keepAsking = async (): Promise<void> => {
    if (asking) return
    asking = true
    let wait = shortestPauseMs
    while (waitingSteps.size > 0) {
      await pauseUnlessHurried(wait)
      const begun = performance.now()
      const answered = await ask().catch(() => false)
      const took = performance.now() - begun
      wait = answered ? shortestPauseMs : Math.min(longestPauseMs, Math.max(wait * 1.3, 4 * took))
    }
    asking = false
  }

  return {
    add(waiting) {
      const before = waitingSteps.get(keyOf(waiting))
      if (before) forget(before)
      before?.news() // its lease was lost and has come back
      waitingSteps.set(keyOf(waiting), waiting)
      byRun.set(waiting.runKey, (byRun.get(waiting.runKey) ?? new Set()).add(waiting))
      for (const lease of waiting.out.keys()) byLease.set(lease, waiting)
      for (const one of ofRun(waiting)) {
        for (const lease of waiting.out.keys()) one.beside.delete(lease)
        for (const lease of one.out.keys()) waiting.beside.delete(lease)
      }
      void keepAsking()
    },
    remove: forget,
    leased(waiting, lease, leased) {
      waiting.out.set(lease, leased)
      byLease.set(lease, waiting)
    },
    ended(lease, status) {
      const waiting = byLease.get(lease)
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
      leaseIsDone(lease)
    },
    hurry: () => hurry(),
    sharesOf: (waiting) => [
      ...waiting.beside.values(),
      ...sharing(waiting).flatMap(({ out }) => [...out.values()].map(({ share }) => share)),
    ],
  }
}
