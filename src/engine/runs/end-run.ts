import { now } from '../../lib/time.ts'
import type { RunStatus } from '../../model/workflows/workflow.ts'
import type { LeaseRef } from '../journal/journal-entry.ts'
import { requestedError, rowOf } from '../steps/step-record.ts'
import type { StepPlace } from '../steps/step-run.ts'
import type { LiveRun } from './live-run.ts'
import type { RunDeps } from './run-deps.ts'

/** Records the end of a run that ends without a step. */
export const endRun = async (
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
export const endEarly = async (
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
export const requestedEnd = ({ requested: status = 'cancelled' }: LiveRun): EarlyEnd => ({
  status,
  error: requestedError(status),
})

/** The `seq` of a wait that no decision about a step ends. */
const betweenSteps = -1

/** Lets a run of a paused collection leave memory between two steps. It is woken when the collection is resumed. */
export const hold = async ({ journal }: RunDeps, lease: LeaseRef, run: LiveRun): Promise<'parked'> => {
  const wait = { runKey: run.key, seq: betweenSteps, wakeMs: Number.POSITIVE_INFINITY }
  await journal.add({ lease, owner: run, park: wait })
  return 'parked'
}
