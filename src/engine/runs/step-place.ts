import { turnOf } from '../program/branch-state.ts'
import type { ProgramStep } from '../program/program.ts'
import type { StepPlace } from '../steps/step-run.ts'
import type { LiveRun } from './live-run.ts'

/** Places the next step of a run whose steps execute in order. */
export const placeInOrder = (run: LiveRun, step: ProgramStep): StepPlace => {
  const turn = run.course ? turnOf(run.course, step) : 1
  const name = turn > 1 ? `${step.name}__${turn}` : step.name
  return { step, seq: run.seq, name, turn, attempt: run.attempt, started: run.started }
}

/** Places a step of a run whose steps execute side by side: its `seq` is its index. */
export const placeSideBySide = (run: LiveRun, step: ProgramStep): StepPlace => {
  const { attempt, started } = run.begun?.get(step.index) ?? { attempt: 1, started: undefined }
  return { step, seq: step.index, name: step.name, turn: 1, attempt, started }
}
