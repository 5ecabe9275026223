import { now } from '../../lib/time.ts'
import type { RunStatus } from '../../model/workflows/workflow.ts'
import type { LeaseRef } from '../journal/journal-entry.ts'
import { Fenced } from '../journal/journal-sender.ts'
import type { Leases, LocalLease } from '../leases/leases.ts'
import { interruptAll, type RunLeft } from '../leases/run-under-lease.ts'
import { type BranchState, isChosen, newBranchState, pass, passOver, settle, turnOf } from '../program/branch-state.ts'
import { joinMessages } from '../program/finding.ts'
import type { ProgramStep } from '../program/program.ts'
import type { Conclude, Recorded } from '../steps/record-step.ts'
import { carryOut } from '../steps/step.ts'
import type { StepLeft } from '../steps/step-at-work.ts'
import { failureText, requestedError, rowOf, type StepOutcome, skippedRow } from '../steps/step-record.ts'
import { forget } from '../steps/step-results.ts'
import type { StepPlace } from '../steps/step-run.ts'
import { forgetAll, type LiveRun } from './live-run.ts'
import type { RunDeps } from './run-deps.ts'

/** Places the next step of a run whose steps execute in order. */
export const placeInOrder = (run: LiveRun, step: ProgramStep): StepPlace => {
  const turn = run.branchState ? turnOf(run.branchState, step) : 1
  const name = turn > 1 ? `${step.name}__${turn}` : step.name
  return { step, seq: run.seq, name, turn, attempt: run.attempt, started: run.started }
}

/** Places a step of a run whose steps execute side by side: its `seq` is its index. */
export const placeSideBySide = (run: LiveRun, step: ProgramStep): StepPlace => {
  const { attempt, started } = run.begun?.get(step.index) ?? { attempt: 1, started: undefined }
  return { step, seq: step.index, name: step.name, turn: 1, attempt, started }
}

/** Records the end of a run that ends without a step. */
const endRun = async (
  deps: RunDeps,
  lease: LeaseRef,
  run: LiveRun,
  status: RunStatus,
  error: string | null,
): Promise<RunStatus> => {
  await deps.journal.add({
    lease,
    owner: run,
    end: { runKey: run.key, status, error, endedMs: now() },
  })
  deps.onEnd(run.key)
  return status
}

/** How a run ends before its last step: on request, or with a failure. */
interface EarlyEnd {
  status: RunStatus
  error: string | null
}

/**
 * Ends a run, after its child runs. Steps that a dead owner had begun are recorded as cancelled. Returns `released` if
 * the process stops first.
 */
const endEarly = async (
  deps: RunDeps,
  lease: LeaseRef,
  run: LiveRun,
  open: StepPlace[],
  { status, error }: EarlyEnd,
): Promise<RunStatus | 'released'> => {
  const begun = open.filter(({ started }) => started)
  if (begun.length > 0 && !(await deps.endAllBelow(lease, run))) return 'released'
  const endedMs = now()
  const closed = begun.map((place) => {
    const attempt = Math.max(1, place.attempt - 1)
    return deps.journal.add({
      lease,
      owner: run,
      step: { ...rowOf(run, place), status: 'cancelled', attempt, endedMs },
    })
  })
  const [end] = await Promise.all([endRun(deps, lease, run, status, error), ...closed])
  return end
}

/** The end that was requested. */
const requestedEnd = ({ requested: status = 'cancelled' }: LiveRun): EarlyEnd => ({
  status,
  error: requestedError(status),
})

/** The `seq` of a wait that no decision about a step ends. */
const betweenSteps = -1

/** Lets a run of a paused collection leave memory between two steps. It is woken when the collection is resumed. */
const hold = async ({ journal }: RunDeps, lease: LeaseRef, run: LiveRun): Promise<'parked'> => {
  const wait = { runKey: run.key, seq: betweenSteps, wakeMs: Number.POSITIVE_INFINITY }
  await journal.add({ lease, owner: run, park: wait })
  return 'parked'
}

/** A run whose steps execute side by side. */
interface SideBySide {
  deps: RunDeps
  lease: LeaseRef
  run: LiveRun
  branchState: BranchState
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
const runSideBySide = async (deps: RunDeps, lease: LeaseRef, run: LiveRun): Promise<RunLeft> => {
  run.branchState ??= newBranchState()
  const { branchState } = run
  const underWay = new Map<number, Promise<Done>>()
  const all: SideBySide = {
    deps,
    lease,
    run,
    branchState,
    underWay,
    left: undefined,
    end: undefined,
    thrown: undefined,
  }
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
  const { deps, run, branchState, underWay } = all
  if (isHalted(all)) return
  for (const step of run.program.steps) {
    if (underWay.size >= deps.limits.parallelSteps) return
    if (branchState.latest.has(step.index) || underWay.has(step.index)) continue
    if (!step.after.every((index) => branchState.latest.has(index))) continue
    if (isChosen(branchState, step))
      follow(all, step, carryOut(deps.steps, all.lease, run, placeSideBySide(run, step), concludeOf(all)))
    else if (step.isListed) follow(all, step, recordSkipped(all, step))
    else pass(branchState, step)
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
  const { run, branchState, underWay } = all
  underWay.delete(step.index)
  run.underWay--
  run.begun?.delete(step.index)
  if (recorded === 'skipped') settle(branchState, step, { seq: step.index, status: 'skipped', outputs: null })
  else if (typeof recorded === 'object') {
    const { status, outputs, goesOn } = recorded
    if (status === 'completed' || goesOn) settle(branchState, step, { seq: step.index, status, outputs })
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
  ({ run, branchState }: SideBySide): Conclude =>
  (place, outcome) => {
    if (outcome.status === 'failed' && !outcome.goesOn) fail(run, place, outcome)
    if (run.underWay > 1 || hasBegunBefore(run, place)) return undefined
    if (run.failure) return 'failed'
    if (outcome.status === 'cancelled') return 'cancelled'
    return branchState.latest.size + 1 < run.program.steps.length ? undefined : 'completed'
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
const leave = async ({ deps, lease, run, branchState, left, end, thrown }: SideBySide): Promise<RunLeft> => {
  if (thrown !== undefined) throw thrown
  if (end) return end
  if (left) return left
  const open = run.program.steps.filter(({ index }) => run.begun?.has(index)).map((step) => placeSideBySide(run, step))
  if (run.requested) return endEarly(deps, lease, run, open, requestedEnd(run))
  if (run.failure) {
    return endEarly(deps, lease, run, open, { status: 'failed', error: failureText(run, run.failure) })
  }
  if (branchState.latest.size === run.program.steps.length) return endRun(deps, lease, run, 'completed', null)
  return deps.stopping.aborted ? 'released' : hold(deps, lease, run)
}

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
    if (run.branchState && !isChosen(run.branchState, step)) {
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
  { program, branchState }: LiveRun,
  { step, seq }: StepPlace,
  { status, outputs }: Pick<StepOutcome, 'outputs'> & { status: StepOutcome['status'] | 'skipped' },
): number =>
  branchState ? passOver(program, branchState, settle(branchState, step, { seq, status, outputs })) : step.index + 1

/** Moves the run on to the next step, and drops results that no later step reads. */
const moveOn = ({ memory }: RunDeps, run: LiveRun, next: number): void => {
  const { lastReader } = run.program
  for (const index of run.results.keys()) if ((lastReader.get(index) ?? -1) < next) forget(memory, run, index)
  run.next = next
  run.seq++
  run.attempt = 1
  run.started = undefined
}
