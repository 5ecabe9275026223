import type { RunStatus } from '../model/workflow.ts'
import type { EngineContext, LiveRun, Place } from './context.ts'
import type { LeaseRef } from './journal-entry.ts'
import { endAllBelow } from './requests.ts'
import { requestedError, rowOf } from './step-record.ts'

/** Writes the end of a run that comes with no step. */
export const endRun = async (
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

/** Ends a run as somebody asked for. Steps that a dead owner had begun are closed with it. */
export const endAsRequested = async (
  engine: EngineContext,
  lease: LeaseRef,
  run: LiveRun,
  open: Place[],
): Promise<RunStatus> => {
  const status = run.requested ?? 'cancelled'
  if (open.some(({ started }) => started)) await endAllBelow(engine, run.key)
  const closed = closeBegun(engine, lease, run, open)
  const [end] = await Promise.all([endRun(engine, lease, run, status, requestedError(status)), closed])
  return end
}

/** Records steps as cancelled that had begun and are carried out no more; the runs that they had started end before. */
export const closeBegun = async (
  engine: EngineContext,
  lease: LeaseRef,
  run: LiveRun,
  open: Place[],
): Promise<void> => {
  const endedMs = Date.now()
  const begun = open.filter(({ started }) => started)
  if (begun.length > 0) await endAllBelow(engine, run.key)
  await Promise.all(
    begun.map((place) => {
      const attempt = Math.max(1, place.attempt - 1)
      return engine.journal.add({ lease, step: { ...rowOf(run, place), status: 'cancelled', attempt, endedMs } })
    }),
  )
}
