import { parsedObject } from '../../lib/json/json-object.ts'
import type { StepStatus } from '../../model/workflows/workflow.ts'
import { nameInWorkflow, type Program, type ProgramStep } from './program.ts'

/**
 * What branches and loops have decided so far in a run. It follows from the records alone: whoever takes a run over
 * finds it there.
 */
export interface Course {
  /** By the index of a branch that has decided: the index of the step it leads to, undefined where to none. */
  decisions: Map<number, number | undefined>
  /** By the index of a counter: the turn its loop is in. Absent: the first. */
  turns: Map<number, number>
  /** By step that was settled: the `seq` of its latest record. */
  latest: Map<number, number | 'skipped'>
}

export const newCourse = (): Course => ({ decisions: new Map(), turns: new Map(), latest: new Map() })

/** Is the step carried out when its turn comes? The last branch that has decided about it says so. */
export const isChosen = ({ decisions }: Course, step: ProgramStep): boolean => {
  const branch = step.decidedBy.findLast((index) => decisions.has(index))
  return branch === undefined ? step.isListed : decisions.get(branch) === step.index
}

/** 1-based turn of the loop that a step stands in; 1 outside of loops. */
export const turnOf = ({ turns }: Course, { loop }: ProgramStep): number =>
  loop === undefined ? 1 : (turns.get(loop.counter) ?? 1)

/** A step as it was recorded; its outputs are needed of branches and counters alone. */
export interface Settled {
  seq: number
  status: StepStatus
  outputs: string | null
}

/** Takes notice of a step that was settled, and gives the index of the one that comes next in order. */
export const settle = (course: Course, step: ProgramStep, { seq, status, outputs }: Settled): number => {
  course.latest.set(step.index, status === 'skipped' ? 'skipped' : seq)
  const said = step.activity.steers && status === 'completed' ? parsedObject(outputs ?? '') : undefined
  if (step.branch) course.decisions.set(step.index, said && step.branch[said.branch === 'true' ? 'true' : 'false'])
  const { loop } = step
  if (loop?.counter !== step.index || said?.done !== false) return step.index + 1
  course.turns.set(loop.counter, turnOf(course, step) + 1)
  for (const branch of course.decisions.keys()) {
    if (branch >= loop.first && branch <= loop.counter) course.decisions.delete(branch)
  }
  return loop.first
}

/** Takes notice of a step that nothing leads to: it leaves no record. A branch that is one leads nowhere. */
export const pass = (course: Course, step: ProgramStep): void => {
  course.latest.set(step.index, 'skipped')
  if (step.branch) course.decisions.set(step.index, undefined)
}

/** Steps that nothing leads to leave no record: gives the index of the next one that is carried out, or skipped. */
export const passOver = (program: Program, course: Course, from: number): number => {
  let next = from
  for (let step = program.steps[next]; step && !step.isListed && !isChosen(course, step); step = program.steps[next]) {
    pass(course, step)
    next++
  }
  return next
}

/** The index in the program of a recorded step. */
export const indexOfRecorded = ({ indexOf }: Program, name: string): number =>
  indexOf.get(nameInWorkflow(name, (one) => indexOf.has(one))) ?? -1

/** The course of a run after these records, in the order of `seq`, and the index of the step that comes next. */
export const courseAfter = (
  program: Program,
  records: (Settled & { name: string })[],
): { course: Course; next: number } => {
  const course = newCourse()
  let next = passOver(program, course, 0)
  for (const record of records) {
    const step = program.steps[indexOfRecorded(program, record.name)]
    if (step) next = passOver(program, course, settle(course, step, record))
  }
  return { course, next }
}

/** What tells a record whose outputs steer, as a regular expression of Postgres on its name. */
export const steeringPattern = ({ steps }: Program): string => {
  const names = steps.filter(({ activity }) => activity.steers).map(({ name }) => name)
  return `^(${names.join('|')})(__[0-9]+)?$`
}
