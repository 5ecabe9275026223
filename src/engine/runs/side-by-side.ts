import type { EngineContext, LiveRun, Place } from '../context.ts'
import type { LeaseRef } from '../journal/journal-entry.ts'
import { type Course, isChosen, newCourse, pass, settle } from '../program/course.ts'
import type { ProgramStep } from '../program/program.ts'
import type { Conclude, Recorded } from '../steps/record-step.ts'
import { carryOut } from '../steps/step.ts'
import { failureText, type StepOutcome, skippedRow } from '../steps/step-record.ts'
import type { Left } from '../waits/waits.ts'
import { endEarly, endRun, requestedEnd } from './end-run.ts'
import { placeSideBySide } from './place.ts'
import type { RunLeft } from './run.ts'

/** One run whose steps do not wait for one another without need. */
interface SideBySide {
  engine: EngineContext
  lease: LeaseRef
  run: LiveRun
  course: Course
  /** By index: steps that are being carried out. */
  underWay: Map<number, Promise<Done>>
  /** Why no more steps are begun, beside what the run itself says. */
  left: Left | undefined
  end: RunLeft | undefined
  thrown: unknown
}

/** How one of them ended here; it never rejects. */
interface Done {
  step: ProgramStep
  recorded?: Recorded | Left | 'skipped' | undefined
  thrown?: unknown
}

/**
 * Carries out each step as soon as all that it depends on have ended, at most so many at once. Where one fails, the
 * others are interrupted and recorded as cancelled. Throws Fenced.
 */
export const runSideBySide = async (engine: EngineContext, lease: LeaseRef, run: LiveRun): Promise<RunLeft> => {
  run.course ??= newCourse()
  const { course } = run
  const underWay = new Map<number, Promise<Done>>()
  const all: SideBySide = { engine, lease, run, course, underWay, left: undefined, end: undefined, thrown: undefined }
  for (;;) {
    begin(all)
    if (underWay.size === 0) return leave(all)
    take(all, await Promise.race(underWay.values()))
  }
}

const isHalted = ({ engine, run, left, end, thrown }: SideBySide): boolean =>
  engine.stopping.aborted || Boolean(left ?? end ?? thrown ?? run.requested ?? run.failure)

/** Begins what may begin, in the order of the program. */
const begin = (all: SideBySide): void => {
  const { engine, run, course, underWay } = all
  if (isHalted(all)) return
  for (const step of run.program.steps) {
    if (underWay.size >= engine.limits.parallelSteps) return
    if (course.latest.has(step.index) || underWay.has(step.index)) continue
    if (!step.after.every((index) => course.latest.has(index))) continue
    if (isChosen(course, step))
      follow(all, step, carryOut(engine, all.lease, run, placeSideBySide(run, step), concludeOf(all)))
    else if (step.isListed) follow(all, step, recordSkipped(all, step))
    else pass(course, step)
  }
}

const recordSkipped = async ({ engine, lease, run }: SideBySide, step: ProgramStep): Promise<'skipped'> => {
  await engine.journal.add({ lease, collectionId: run.collectionId, step: skippedRow(run, placeSideBySide(run, step)) })
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

/** Takes notice of a step that has ended, or has been left. */
const take = (all: SideBySide, { step, recorded, thrown }: Done): void => {
  const { run, course, underWay } = all
  underWay.delete(step.index)
  run.underWay--
  run.begun?.delete(step.index)
  if (recorded === 'skipped') settle(course, step, { seq: step.index, status: 'skipped', outputs: null })
  else if (typeof recorded === 'object') {
    const { status, outputs, goesOn } = recorded.outcome
    if (status === 'completed' || goesOn) settle(course, step, { seq: step.index, status, outputs })
    all.end ??= recorded.end
    run.deaths = 0
  } else if (recorded) all.left ??= recorded
  else {
    all.thrown ??= thrown
    interruptAll(run)
  }
}

const interruptAll = (run: LiveRun): void => {
  for (const interrupt of [...run.interrupts]) interrupt()
}

/** Only the last step under way can carry the end of the run. */
const concludeOf =
  ({ run, course }: SideBySide): Conclude =>
  (place, outcome) => {
    if (outcome.status === 'failed' && !outcome.goesOn) fail(run, place, outcome)
    if (run.underWay > 1 || hasBegunBefore(run, place)) return undefined
    if (run.failure) return 'failed'
    if (outcome.status === 'cancelled') return 'cancelled'
    return course.latest.size + 1 < run.program.steps.length ? undefined : 'completed'
  }

const fail = (run: LiveRun, { name }: Place, { error }: StepOutcome): void => {
  if (run.failure) return
  run.failure = { name, message: error?.message ?? '' }
  interruptAll(run)
}

/** A former owner had begun another step, which is not under way again: its record has to be closed as well. */
const hasBegunBefore = ({ begun }: LiveRun, { step }: Place): boolean =>
  begun !== undefined && [...begun.keys()].some((index) => index !== step.index)

/** Nothing is under way any more. */
const leave = async ({ engine, lease, run, course, left, end, thrown }: SideBySide): Promise<RunLeft> => {
  if (thrown !== undefined) throw thrown
  if (end) return end
  if (left) return left
  const open = run.program.steps.filter(({ index }) => run.begun?.has(index)).map((step) => placeSideBySide(run, step))
  if (run.requested) return endEarly(engine, lease, run, open, requestedEnd(run))
  if (run.failure) {
    return endEarly(engine, lease, run, open, { status: 'failed', error: failureText(run, run.failure) })
  }
  return course.latest.size < run.program.steps.length ? 'released' : endRun(engine, lease, run, 'completed', null)
}
