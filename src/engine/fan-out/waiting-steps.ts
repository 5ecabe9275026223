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
  /** Leases of the step that may have open runs. */
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
  /** Whether it shares its concurrency limit with other steps of the run. */
  isSharing: boolean
  /** Shares by lease that a former owner of the run left open for steps that do not wait here yet. */
  beside: Map<string, number>
  /** Called when any of this changes. */
  news(): void
}

/** The steps of this process that wait for their child runs. */
export interface WaitingSteps {
  all(): Waiting[]
  readonly isEmpty: boolean
  /** Finds a step by the key that `keyOf` gives. */
  find(key: string): Waiting | undefined
  /** Returns the step that an open lease belongs to. */
  ofLease(lease: string): Waiting | undefined
  /** Ids of the open leases whose absence from the database means that they are done. */
  writtenLeases(): string[]
  /** The step and the steps that share its concurrency limit. */
  sharing(waiting: Waiting): Waiting[]
  add(waiting: Waiting): void
  remove(waiting: Waiting): void
  /** Registers an open lease of a step. */
  leased(waiting: Waiting, lease: string, leased: Leased): void
  /** Removes a lease without open runs, and wakes the steps that may now start more. */
  leaseIsDone(lease: string): void
}

export const keyOf = ({ runKey, seq }: Parent): string => `${runKey}/${seq}`

export const makeWaitingSteps = (): WaitingSteps => {
  const steps = new Map<string, Waiting>()
  const byLease = new Map<string, Waiting>()
  const byRun = new Map<string, Set<Waiting>>()
  const ofRun = ({ runKey }: Waiting): Waiting[] => [...(byRun.get(runKey) ?? [])]
  const sharing = (waiting: Waiting): Waiting[] =>
    waiting.isSharing ? ofRun(waiting).filter(({ isSharing }) => isSharing) : [waiting]

  const remove = (waiting: Waiting): void => {
    if (steps.get(keyOf(waiting)) === waiting) steps.delete(keyOf(waiting))
    for (const lease of waiting.out.keys()) if (byLease.get(lease) === waiting) byLease.delete(lease)
    const others = byRun.get(waiting.runKey)
    others?.delete(waiting)
    if (others?.size === 0) byRun.delete(waiting.runKey)
    if (waiting.isSharing) for (const one of others ?? []) one.news()
  }

  return {
    all: () => [...steps.values()],
    get isEmpty() {
      return steps.size === 0
    },
    find: (key) => steps.get(key),
    ofLease: (lease) => byLease.get(lease),
    writtenLeases: () => [...byLease].flatMap(([lease, { out }]) => (out.get(lease)?.isWritten ? lease : [])),
    sharing,
    add(waiting) {
      const before = steps.get(keyOf(waiting))
      if (before) remove(before)
      before?.news() // its lease was lost and has come back
      steps.set(keyOf(waiting), waiting)
      byRun.set(waiting.runKey, (byRun.get(waiting.runKey) ?? new Set()).add(waiting))
      for (const lease of waiting.out.keys()) byLease.set(lease, waiting)
      for (const one of ofRun(waiting)) {
        for (const lease of waiting.out.keys()) one.beside.delete(lease)
        for (const lease of one.out.keys()) waiting.beside.delete(lease)
      }
    },
    remove,
    leased(waiting, lease, leased) {
      waiting.out.set(lease, leased)
      byLease.set(lease, waiting)
    },
    leaseIsDone(lease) {
      const waiting = byLease.get(lease)
      byLease.delete(lease)
      if (waiting?.out.delete(lease)) for (const one of sharing(waiting)) one.news()
      if (!waiting) for (const one of steps.values()) if (one.beside.delete(lease)) one.news()
    },
  }
}
