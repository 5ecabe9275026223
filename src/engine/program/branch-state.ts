import { parsedObject } from '../../lib/json/json-object.ts'
import type { StepStatus } from '../../model/workflows/workflow.ts'
import { nameInWorkflow, type Program, type ProgramStep } from './program.ts'

/**
 * Decisions of branches and loops so far in a run. Derived from its records alone, so a new owner of the run restores
 * it.
 */
export interface BranchState {
  /** For each decided branch (by index): indices of the steps of the chosen arm. */
  decisions: Map<number, readonly number[]>
  /** For each loop counter (by index): current iteration. Absent means the first. */
  turns: Map<number, number>
  /** For each settled step: `seq` of its latest record. */
  latest: Map<number, number | 'skipped'>
}

export const newBranchState = (): BranchState => ({ decisions: new Map(), turns: new Map(), latest: new Map() })

/** Whether a step executes when its turn comes; the last branch that decided about it counts. */
export const isChosen = ({ decisions }: BranchState, step: ProgramStep): boolean => {
  const branch = step.decidedBy.findLast((index) => decisions.has(index))
  return branch === undefined ? step.isListed : (decisions.get(branch) ?? []).includes(step.index)
}

/** 1-based loop iteration of a step; 1 outside loops. */
export const turnOf = ({ turns }: BranchState, { loop }: ProgramStep): number =>
  loop === undefined ? 1 : (turns.get(loop.counter) ?? 1)

/** A recorded step; its outputs are only needed for branches and counters. */
export interface Settled {
  seq: number
  status: StepStatus
  outputs: string | null
}

/** Applies a settled step; returns the index of the next step in order. */
export const settle = (branchState: BranchState, step: ProgramStep, { seq, status, outputs }: Settled): number => {
  branchState.latest.set(step.index, status === 'skipped' ? 'skipped' : seq)
  const said = step.activity.steers && status === 'completed' ? parsedObject(outputs ?? '') : undefined
  if (step.branch)
    branchState.decisions.set(step.index, said ? step.branch[said.branch === 'true' ? 'true' : 'false'] : [])
  const { loop } = step
  if (loop?.counter !== step.index || said?.done !== false) return step.index + 1
  branchState.turns.set(loop.counter, turnOf(branchState, step) + 1)
  for (const branch of branchState.decisions.keys()) {
    if (branch >= loop.first && branch <= loop.counter) branchState.decisions.delete(branch)
  }
  return loop.first
}

/** Passes over a step that no branch chose: it leaves no record. If it is a branch, it chooses nothing. */
export const pass = (branchState: BranchState, step: ProgramStep): void => {
  branchState.latest.set(step.index, 'skipped')
  if (step.branch) branchState.decisions.set(step.index, [])
}

/** Passes over steps that no branch chose; returns the index of the next one to execute or skip. */
export const passOver = (program: Program, branchState: BranchState, from: number): number => {
  let next = from
  for (
    let step = program.steps[next];
    step && !step.isListed && !isChosen(branchState, step);
    step = program.steps[next]
  ) {
    pass(branchState, step)
    next++
  }
  return next
}

/** Index in the program of a recorded step. */
export const indexOfRecorded = ({ indexOf }: Program, name: string): number =>
  indexOf.get(nameInWorkflow(name, (one) => indexOf.has(one))) ?? -1

/** Course of a run after these records, in `seq` order, and the index of the next step. */
export const branchStateAfter = (
  program: Program,
  records: (Settled & { name: string })[],
): { branchState: BranchState; next: number } => {
  const branchState = newBranchState()
  let next = passOver(program, branchState, 0)
  for (const record of records) {
    const step = program.steps[indexOfRecorded(program, record.name)]
    if (step) next = passOver(program, branchState, settle(branchState, step, record))
  }
  return { branchState, next }
}

/** Regular expression (Postgres) for names of records whose outputs steer the run. */
export const steeringPattern = ({ steps }: Program): string => {
  const names = steps.filter(({ activity }) => activity.steers).map(({ name }) => name)
  return `^(${names.join('|')})(__[0-9]+)?$`
}
