import type { LeaseRef } from '../journal/journal-entry.ts'
import { Fenced } from '../journal/journal-sender.ts'
import type { Leases, LocalLease } from '../leases/leases.ts'
import type { RunLeft } from '../leases/run-under-lease.ts'
import { isChosen, passOver, settle } from '../program/course.ts'
import { joinMessages } from '../program/remark.ts'
import type { Conclude } from '../steps/record-step.ts'
import { forget } from '../steps/remembered.ts'
import { carryOut } from '../steps/step.ts'
import { type StepOutcome, skippedRow } from '../steps/step-record.ts'
import type { StepPlace } from '../steps/step-run.ts'
import { endEarly, endRun, hold, requestedEnd } from './end-run.ts'
import { forgetAll, type LiveRun } from './live-run.ts'
import { placeInOrder } from './place.ts'
import type { RunDeps } from './run-deps.ts'
import { runSideBySide } from './side-by-side.ts'

/** Executes a run until it ends or must be left to another process. Never throws. */
export const carryOn = async (deps: RunDeps, lease: LeaseRef, run: LiveRun): Promise<RunLeft> => {
  deps.live.set(run.key, run)
  try {
    if (lease.lost) return 'fenced'
    if (run.refusal !== null && !run.requested) return await endRun(deps, lease, run, 'failed', run.refusal)
    const { problems, isParallel } = run.program
    if (problems.length > 0) {
      const error = run.environment.scrub.text(joinMessages(problems, 5))
      return await endRun(deps, lease, run, 'failed', error)
    }
    return isParallel ? await runSideBySide(deps, lease, run) : await runInOrder(deps, lease, run)
  } catch (error) {
    if (error instanceof Fenced) return 'fenced'
    deps.log.error({ err: error, run: run.trajectoryId }, 'run interrupted; it resumes when its lease is taken again')
    return 'released'
  } finally {
    if (deps.live.get(run.key) === run) deps.live.delete(run.key) // it may have come back under its lease
    forgetAll(deps.memory, run)
  }
}

/** Executes a run under a lease until it ends or leaves this process. */
export const workOn = async (deps: RunDeps, leases: Leases, lease: LocalLease, run: LiveRun): Promise<void> =>
  leases.leave(lease, await carryOn(deps, lease, run))

/** Executes one step after the other. */
const runInOrder = async (deps: RunDeps, lease: LeaseRef, run: LiveRun): Promise<RunLeft> => {
  const { steps } = run.program
  let next = run.next
  /** The next step is known before the record is made: the last record carries the end of the run. */
  const conclude: Conclude = (place, outcome) => {
    if (outcome.status !== 'completed' && !outcome.goesOn) return outcome.status
    next = after(run, place, outcome)
    return next < steps.length ? undefined : 'completed'
  }
  for (let step = steps[run.next]; step; step = steps[run.next]) {
    const place = placeInOrder(run, step)
    if (run.requested) return endEarly(deps, lease, run, [place], requestedEnd(run))
    if (deps.stopping.aborted) return 'released'
    if (deps.pauses.has(run.collectionId)) return hold(deps, lease, run)
    if (run.course && !isChosen(run.course, step)) {
      await deps.journal.add({ lease, owner: run, step: skippedRow(run, place) })
      next = after(run, place, { status: 'skipped', outputs: null })
      forget(deps.memory, run, step.index)
    } else {
      const recorded = await carryOut(deps.steps, lease, run, place, conclude)
      if (typeof recorded === 'string') return recorded
      if (recorded.end) return recorded.end
      run.deaths = 0
    }
    moveOn(deps, run, next)
  }
  return endRun(deps, lease, run, 'completed', null)
}

/** Returns the index of the step that follows. */
const after = (
  { program, course }: LiveRun,
  { step, seq }: StepPlace,
  { status, outputs }: Pick<StepOutcome, 'outputs'> & { status: StepOutcome['status'] | 'skipped' },
): number => (course ? passOver(program, course, settle(course, step, { seq, status, outputs })) : step.index + 1)

/** Moves the run on to the next step, and drops results that no later step reads. */
const moveOn = ({ memory }: RunDeps, run: LiveRun, next: number): void => {
  const { lastReader } = run.program
  for (const index of run.results.keys()) if ((lastReader.get(index) ?? -1) < next) forget(memory, run, index)
  run.next = next
  run.seq++
  run.attempt = 1
  run.started = undefined
}
