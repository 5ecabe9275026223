import type { Queries } from '../../database/database.ts'
import type { RunStatus } from '../../model/workflows/workflow.ts'
import type { Parent } from './fan-out-sql.ts'

/** A lease that is out, or is being written down. */
export interface Leased {
  share: number
  /** How many of its runs have not ended. */
  open: number
  /** Whether its runs are on disk: before that, none of them being there says nothing. */
  isWritten: boolean
  /** How many have ended in this process, and when the first of them did. */
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

/** A step that waits for its runs, and what is known of them. */
export interface Waiting extends Parent {
  /** Leases of it in which something may be open. */
  out: Map<string, Leased>
  /** Milliseconds from one end to the next in a lease, as it was in the last one that was carried out here. */
  paceMs: number | undefined
  /** One of its runs has failed, or was cancelled. */
  failed: boolean
  /** Whether it wants to know. */
  asksForFailure: boolean
  /** No lease goes out any more, and it waits for the end of all that is open. */
  asksForEnd: boolean
  /** Nothing of it is open any more. */
  settled: boolean
  /** The time of some of its runs that had left memory has come, and they wait for room. */
  due: boolean
  /** Its bound is one with that of other steps of the run. */
  isSharing: boolean
  /** Shares by lease: what a former owner of the run has left out of other steps that do not wait here yet. */
  beside: Map<string, number>
  /** Something of this has changed. */
  news(): void
}

/** Tells waiting steps about the ends of their runs: those in this process at once, others are asked for. */
export interface FanOutWatch {
  add(waiting: Waiting): void
  remove(waiting: Waiting): void
  /** A lease of it is out from here on. */
  leased(waiting: Waiting, lease: string, leased: Leased): void
  /** A run under this lease has ended here. */
  ended(lease: string, status: RunStatus): void
  /** Asks at once what it would ask soon. */
  hurry(): void
  /** The shares of all leases that are out under the bound of the step. */
  sharesOf(waiting: Waiting): number[]
}

const shortestPauseMs = 20
const longestPauseMs = 500

// Whether any run is due at all is asked first, once; then step by step, for a join would compare all with all.
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

  /** The step, and those that share its bound. */
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

  /** One question for all of them. Gives whether there was an answer. */
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

  /** Adaptive: busy while there is news, slow while nothing happens. */
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
      before?.news() // its lease was lost, and has come back here
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
