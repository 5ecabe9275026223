import type { RunStatus } from '../../model/workflows/workflow.ts'
import type { EngineContext, LiveRun, Place } from '../context.ts'
import { Fenced } from '../journal/journal.ts'
import type { LeaseRef } from '../journal/journal-entry.ts'
import { isChosen, passOver, settle } from '../program/course.ts'
import { joinMessages } from '../program/remark.ts'
import type { Conclude } from '../steps/record-step.ts'
import { forget, forgetAll } from '../steps/remembered.ts'
import { carryOut } from '../steps/step.ts'
import { type StepOutcome, skippedRow } from '../steps/step-record.ts'
import { endEarly, endRun, requestedEnd } from './end-run.ts'
import { placeInOrder } from './place.ts'
import { runSideBySide } from './side-by-side.ts'

/** How the loop left a run: ended for good, or to be continued by somebody (parked, handed over, taken over). */
export type RunLeft = RunStatus | 'parked' | 'released' | 'fenced'

/** Carries a run on from where it stands until it ends or has to be left to somebody else. Never throws. */
export const carryOn = async (engine: EngineContext, lease: LeaseRef, run: LiveRun): Promise<RunLeft> => {
  engine.live.set(run.key, run)
  try {
    if (lease.lost) return 'fenced'
    if (run.refusal !== null && !run.requested) return await endRun(engine, lease, run, 'failed', run.refusal)
    const { problems, isParallel } = run.program
    if (problems.length > 0) {
      const error = run.environment.scrub.text(joinMessages(problems, 5))
      return await endRun(engine, lease, run, 'failed', error)
    }
    return isParallel ? await runSideBySide(engine, lease, run) : await runInOrder(engine, lease, run)
  } catch (error) {
    if (error instanceof Fenced) return 'fenced'
    engine.log.error({ err: error, run: run.trajectoryId }, 'run interrupted; it resumes when its lease is taken again')
    return 'released'
  } finally {
    if (engine.live.get(run.key) === run) engine.live.delete(run.key) // it may have come back under its lease
    forgetAll(engine.memory, run)
  }
}

/** One step after the other. */
const runInOrder = async (engine: EngineContext, lease: LeaseRef, run: LiveRun): Promise<RunLeft> => {
  const { steps } = run.program
  let next = run.next
  /** Where the run goes is known before its record is made: the last one carries the end. */
  const conclude: Conclude = (place, outcome) => {
    if (outcome.status !== 'completed' && !outcome.goesOn) return outcome.status
    next = after(run, place, outcome)
    return next < steps.length ? undefined : 'completed'
  }
  for (let step = steps[run.next]; step; step = steps[run.next]) {
    const place = placeInOrder(run, step)
    if (run.requested) return endEarly(engine, lease, run, [place], requestedEnd(run))
    if (engine.stopping.aborted) return 'released'
    if (run.course && !isChosen(run.course, step)) {
      await engine.journal.add({ lease, collectionId: run.collectionId, step: skippedRow(run, place) })
      next = after(run, place, { status: 'skipped', outputs: null })
      forget(engine.memory, run, step.index)
    } else {
      const recorded = await carryOut(engine, lease, run, place, conclude)
      if (typeof recorded === 'string') return recorded
      if (recorded.end) return recorded.end
      run.deaths = 0
    }
    moveOn(engine, run, next)
  }
  return endRun(engine, lease, run, 'completed', null)
}

/** The index of the step that comes after one that went so. */
const after = (
  { program, course }: LiveRun,
  { step, seq }: Place,
  { status, outputs }: Pick<StepOutcome, 'outputs'> & { status: StepOutcome['status'] | 'skipped' },
): number => (course ? passOver(program, course, settle(course, step, { seq, status, outputs })) : step.index + 1)

/** To the next step. What nobody reads any more is dropped. */
const moveOn = ({ memory }: EngineContext, run: LiveRun, next: number): void => {
  const { lastReader } = run.program
  for (const index of run.results.keys()) if ((lastReader.get(index) ?? -1) < next) forget(memory, run, index)
  run.next = next
  run.seq++
  run.attempt = 1
  run.started = undefined
}
