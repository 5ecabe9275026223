import type { RunStatus } from '../model/workflow.ts'
import type { EngineContext, LiveRun, Place } from './context.ts'
import { Fenced } from './journal.ts'
import type { LeaseRef } from './journal-entry.ts'
import type { ProgramStep } from './program.ts'
import type { Conclude } from './record-step.ts'
import { carryOut } from './step.ts'
import { requestedError, rowOf } from './step-record.ts'

/** How the loop left a run: ended for good, or to be continued by somebody (parked, handed over, taken over). */
export type RunLeft = RunStatus | 'parked' | 'released' | 'fenced'

/** Carries a run on from where it stands until it ends or has to be left to somebody else. Never throws. */
export const carryOn = async (engine: EngineContext, lease: LeaseRef, run: LiveRun): Promise<RunLeft> => {
  engine.live.set(run.key, run)
  try {
    return await loop(engine, lease, run)
  } catch (error) {
    if (error instanceof Fenced) return 'fenced'
    engine.log.error({ err: error, run: run.trajectoryId }, 'run interrupted; it resumes when its lease is taken again')
    return 'released'
  } finally {
    engine.live.delete(run.key)
  }
}

const loop = async (engine: EngineContext, lease: LeaseRef, run: LiveRun): Promise<RunLeft> => {
  const { steps, problems } = run.program
  if (problems.length > 0) {
    return end(engine, lease, run, 'failed', run.environment.scrub.text(problems.slice(0, 5).join('; ')))
  }
  const conclude: Conclude = ({ step }, { status }) =>
    status !== 'completed' ? status : step.index === steps.length - 1 ? 'completed' : undefined
  for (let step = steps[run.next]; step; step = steps[run.next]) {
    if (run.requested) return endAsRequested(engine, lease, run, step)
    if (engine.stopping.aborted) return 'released'
    const recorded = await carryOut(engine, lease, run, placeOf(run, step), conclude)
    if (typeof recorded === 'string') return recorded
    if (recorded.end) return recorded.end
    moveOn(run, step.index + 1)
  }
  return end(engine, lease, run, 'completed', null)
}

const placeOf = (run: LiveRun, step: ProgramStep): Place => ({
  step,
  seq: run.seq,
  name: step.name,
  turn: 1,
  attempt: run.attempt,
  started: run.started,
})

/** To the next step. What nobody reads any more is dropped. */
const moveOn = (run: LiveRun, next: number): void => {
  const { lastReader } = run.program
  for (const index of run.results.keys()) if ((lastReader.get(index) ?? -1) < next) run.results.delete(index)
  run.next = next
  run.seq++
  run.attempt = 1
  run.started = undefined
  run.deaths = 0
}

const end = async (
  engine: EngineContext,
  lease: LeaseRef,
  run: LiveRun,
  status: RunStatus,
  error: string | null,
): Promise<RunStatus> => {
  await engine.journal.add({ lease, end: { runKey: run.key, status, error, endedMs: Date.now() } })
  engine.onEnd(run.key)
  return status
}

/** A start row that a dead owner left behind is closed together with the run. */
const endAsRequested = async (
  engine: EngineContext,
  lease: LeaseRef,
  run: LiveRun,
  step: ProgramStep,
): Promise<RunStatus> => {
  const status = run.requested ?? 'cancelled'
  if (!run.started) return end(engine, lease, run, status, requestedError(status))
  const now = Date.now()
  const row = rowOf(run, placeOf(run, step))
  await engine.journal.add({
    lease,
    step: { ...row, status: 'cancelled', attempt: Math.max(1, run.attempt - 1), endedMs: now },
    end: { runKey: run.key, status, error: requestedError(status), endedMs: now },
  })
  engine.onEnd(run.key)
  return status
}
