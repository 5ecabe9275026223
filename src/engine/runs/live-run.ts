import type { ByteBudget } from '../../lib/memory/byte-budget.ts'
import type { RunUnderLease } from '../leases/run-under-lease.ts'
import type { BranchState } from '../program/branch-state.ts'
import { forget } from '../steps/step-results.ts'
import type { StepFailure, StepRun } from '../steps/step-run.ts'

/** A run in memory, and its progress. */
export interface LiveRun extends Omit<StepRun, keyof RunUnderLease>, RunUnderLease {
  /** Error message of a run that cannot be served: it fails with it before its first step. */
  readonly refusal: string | null
  deaths: number
  /** Index in the program of the next step, and its place in the order of execution (`steps.seq`). */
  next: number
  seq: number
  /** The next attempt of that step, and when the step started first, if it has. */
  attempt: number
  started: Date | undefined
  course: BranchState | undefined
  /** Steps that run side by side and had begun when the run was taken over, by index. */
  begun: Map<number, { attempt: number; started: Date }> | undefined
  underWay: number
  failure: StepFailure | undefined
}

/** Returns the memory that a run holds. */
export const forgetAll = (memory: ByteBudget, run: LiveRun): void => {
  memory.give(run.heldBytes)
  run.heldBytes = 0
  for (const index of [...run.results.keys()]) forget(memory, run, index)
}
