import type { RunStatus } from '../../model/workflows/workflow.ts'

/**
 * The facts about a run in memory that its lease needs: its position in the tree of runs, and whether a client or the
 * server has asked it to end.
 */
export interface RunUnderLease {
  readonly key: string
  /** Number of its ancestors. */
  readonly depth: number
  /** The status that the run was asked to end with. */
  requested: RunStatus | undefined
  /** The run at the top of its tree was asked to end, and this one with it. */
  isTreeEnding?: boolean
  /** Each function ends something that the run is executing or waiting for right now. */
  readonly interrupts: Set<() => void>
}

/** The runs that this process works on, by key. */
export type RunsUnderLease = ReadonlyMap<string, RunUnderLease>

/** How a process left a run: with its final status, or to be continued by another process. */
export type RunLeft = RunStatus | 'parked' | 'released' | 'fenced'

/** Interrupts everything that a run is executing or waiting for. */
export const interruptAll = ({ interrupts }: Pick<RunUnderLease, 'interrupts'>): void => {
  for (const interrupt of [...interrupts]) interrupt()
}
