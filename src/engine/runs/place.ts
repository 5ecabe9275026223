import type { LiveRun, Place } from '../context.ts'
import { turnOf } from '../program/course.ts'
import type { ProgramStep } from '../program/program.ts'

/** Where the next step of a run stands whose steps follow one another. */
export const placeInOrder = (run: LiveRun, step: ProgramStep): Place => {
  const turn = run.course ? turnOf(run.course, step) : 1
  const name = turn > 1 ? `${step.name}__${turn}` : step.name
  return { step, seq: run.seq, name, turn, attempt: run.attempt, started: run.started }
}

/** Side by side every step has its place from the first. */
export const placeSideBySide = (run: LiveRun, step: ProgramStep): Place => {
  const { attempt, started } = run.begun?.get(step.index) ?? { attempt: 1, started: undefined }
  return { step, seq: step.index, name: step.name, turn: 1, attempt, started }
}
