import { now } from '../../lib/time.ts'
import type { RunStatus } from '../../model/workflows/workflow.ts'
import type { EngineContext, LiveRun, Place } from '../context.ts'
import type { LeaseRef } from '../journal/journal-entry.ts'
import { endAllBelow } from '../leases/requests.ts'
import { requestedError, rowOf } from '../steps/step-record.ts'

/** Writes the end of a run that comes with no step. */
export const endRun = async (
  engine: EngineContext,
  lease: LeaseRef,
  run: LiveRun,
  status: RunStatus,
  error: string | null,
): Promise<RunStatus> => {
  await engine.journal.add({
    lease,
    collectionId: run.collectionId,
    end: { runKey: run.key, status, error, endedMs: now() },
  })
  engine.onEnd(run.key)
  return status
}

/** How a run ends that is not carried on: as somebody asked for, or for a failure. */
export interface EarlyEnd {
  status: RunStatus
  error: string | null
}

/**
 * Ends a run, and first the runs that it has started. Of its steps those that a dead owner had begun are recorded as
 * cancelled with the end.
 */
export const endEarly = async (
  engine: EngineContext,
  lease: LeaseRef,
  run: LiveRun,
  open: Place[],
  { status, error }: EarlyEnd,
): Promise<RunStatus | 'released'> => {
  const begun = open.filter(({ started }) => started)
  if (begun.length > 0 && !(await endAllBelow(engine, lease, run))) return 'released'
  const endedMs = now()
  const closed = begun.map((place) => {
    const attempt = Math.max(1, place.attempt - 1)
    return engine.journal.add({
      lease,
      collectionId: run.collectionId,
      step: { ...rowOf(run, place), status: 'cancelled', attempt, endedMs },
    })
  })
  const [end] = await Promise.all([endRun(engine, lease, run, status, error), ...closed])
  return end
}

/** The end that somebody has asked for. */
export const requestedEnd = ({ requested: status = 'cancelled' }: LiveRun): EarlyEnd => ({
  status,
  error: requestedError(status),
})
