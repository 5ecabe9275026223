import type { LeaseRef } from '../journal/journal-entry.ts'
import { interruptAll, type RunLeft } from '../leases/run-under-lease.ts'
import { type Course, isChosen, newCourse, pass, settle } from '../program/course.ts'
import type { ProgramStep } from '../program/program.ts'
import type { Conclude, Recorded } from '../steps/record-step.ts'
import { carryOut } from '../steps/step.ts'
import type { StepLeft } from '../steps/step-at-work.ts'
import { failureText, type StepOutcome, skippedRow } from '../steps/step-record.ts'
import type { StepPlace } from '../steps/step-run.ts'
import { endEarly, endRun, hold, requestedEnd } from './end-run.ts'
import type { LiveRun } from './live-run.ts'
import { placeSideBySide } from './place.ts'
import type { RunDeps } from './run-deps.ts'

/** A run whose steps execute side by side. */
interface SideBySide {
  deps: RunDeps
  lease: LeaseRef
  run: LiveRun
  course: Course
  /** Steps that are being carried out, by index. */
  underWay: Map<number, Promise<Done>>
  /** Why no more steps begin, beside what the run itself says. */
  left: StepLeft | undefined
  end: RunLeft | undefined
  thrown: unknown
}

/** The end of a step in this process. */
interface Done {
  step: ProgramStep
  recorded?: Recorded | StepLeft | 'skipped' | undefined
  thrown?: unknown
}

/**
 * Executes each step as soon as all steps that it depends on have ended, up to `limits.parallelSteps` at once. When one
 * fails, the others are interrupted and recorded as cancelled. Throws Fenced.
 */
export const runSideBySide = async (deps: RunDeps, lease: LeaseRef, run: LiveRun): Promise<RunLeft> => {
  run.course ??= newCourse()
  const { course } = run
  const underWay = new Map<number, Promise<Done>>()
  const all: SideBySide = { deps, lease, run, course, underWay, left: undefined, end: undefined, thrown: undefined }
  for (;;) {
    begin(all)
    if (underWay.size === 0) return leave(all)
    take(all, await Promise.race(underWay.values()))
  }
}

const isHalted = ({ deps, run, left, end, thrown }: SideBySide): boolean =>
  deps.stopping.aborted ||
  deps.pauses.has(run.collectionId) ||
  Boolean(left ?? end ?? thrown ?? run.requested ?? run.failure)

/** Begins the steps that may begin, in the order of the program. */
const begin = (all: SideBySide): void => {
  const { deps, run, course, underWay } = all
  if (isHalted(all)) return
  for (const step of run.program.steps) {
    if (underWay.size >= deps.limits.parallelSteps) return
    if (course.latest.has(step.index) || underWay.has(step.index)) continue
    if (!step.after.every((index) => course.latest.has(index))) continue
    if (isChosen(course, step))
      follow(all, step, carryOut(deps.steps, all.lease, run, placeSideBySide(run, step), concludeOf(all)))
    else if (step.isListed) follow(all, step, recordSkipped(all, step))
    else pass(course, step)
  }
}

const recordSkipped = async ({ deps, lease, run }: SideBySide, step: ProgramStep): Promise<'skipped'> => {
  await deps.journal.add({ lease, owner: run, step: skippedRow(run, placeSideBySide(run, step)) })
  return 'skipped'
}

const follow = ({ run, underWay }: SideBySide, step: ProgramStep, carried: Promise<Done['recorded']>): void => {
  run.underWay++
  const done = carried.then(
    (recorded): Done => ({ step, recorded }),
    (thrown: unknown): Done => ({ step, thrown }),
  )
  underWay.set(step.index, done)
}

/** Handles a step that has ended or was left. */
const take = (all: SideBySide, { step, recorded, thrown }: Done): void => {
  const { run, course, underWay } = all
  underWay.delete(step.index)
  run.underWay--
  run.begun?.delete(step.index)
  if (recorded === 'skipped') settle(course, step, { seq: step.index, status: 'skipped', outputs: null })
  else if (typeof recorded === 'object') {
    const { status, outputs, goesOn } = recorded
    if (status === 'completed' || goesOn) settle(course, step, { seq: step.index, status, outputs })
    all.end ??= recorded.end
    run.deaths = 0
  } else if (recorded) all.left ??= recorded
  else {
    all.thrown ??= thrown
    interruptAll(run)
  }
}

/** Only the last step that executes can carry the end of the run. */
const concludeOf =
  ({ run, course }: SideBySide): Conclude =>
  (place, outcome) => {
    if (outcome.status === 'failed' && !outcome.goesOn) fail(run, place, outcome)
    if (run.underWay > 1 || hasBegunBefore(run, place)) return undefined
    if (run.failure) return 'failed'
    if (outcome.status === 'cancelled') return 'cancelled'
    return course.latest.size + 1 < run.program.steps.length ? undefined : 'completed'
  }

const fail = (run: LiveRun, { name }: StepPlace, { error }: StepOutcome): void => {
  if (run.failure) return
  run.failure = { name, message: error?.message ?? '' }
  interruptAll(run)
}

/** Whether an earlier owner had begun another step that is not under way again: its record must be closed as well. */
const hasBegunBefore = ({ begun }: LiveRun, { step }: StepPlace): boolean =>
  begun !== undefined && [...begun.keys()].some((index) => index !== step.index)

/** Ends or leaves the run once no step is under way. */
const leave = async ({ deps, lease, run, course, left, end, thrown }: SideBySide): Promise<RunLeft> => {
  if (thrown !== undefined) throw thrown
  if (end) return end
  if (left) return left
  const open = run.program.steps.filter(({ index }) => run.begun?.has(index)).map((step) => placeSideBySide(run, step))
  if (run.requested) return endEarly(deps, lease, run, open, requestedEnd(run))
  if (run.failure) {
    return endEarly(deps, lease, run, open, { status: 'failed', error: failureText(run, run.failure) })
  }
  if (course.latest.size === run.program.steps.length) return endRun(deps, lease, run, 'completed', null)
  return deps.stopping.aborted ? 'released' : hold(deps, lease, run)
}
