import { FailedWith, WaitForDecision, type WaitForRuns, WaitUntil } from '../../activities/activity.ts'
import { WaitForEvent } from '../../model/events/awaited-event.ts'
import { WaitForJob } from '../../model/workers/worker-job-request.ts'
import type { StepAtWork, StepDeps } from '../steps/step-at-work.ts'
import type { AnswerDeps } from './answer.ts'
import { readDecision, waitForDecision } from './approval.ts'
import { awaitEvent, readEvent } from './event.ts'
import { type JobWaitDeps, waitForJob } from './job.ts'
import { waitUntil } from './park.ts'

/** The ways in which a step waits. */
export type Waits = Pick<StepDeps, 'waitOut' | 'readDecision' | 'readEvent'>

interface WaitDeps extends AnswerDeps, JobWaitDeps {
  /** Starts child runs and waits for them. */
  waitForRuns(work: StepAtWork, wanted: WaitForRuns): Promise<Record<string, unknown> | FailedWith | 'released'>
}

export const makeWaits = (deps: WaitDeps): Waits => ({
  async waitOut(work, wanted) {
    if (wanted instanceof WaitUntil) {
      const waited = await waitUntil(deps, work, wanted.until)
      return waited === 'over' ? wanted.outputs : waited
    }
    if (wanted instanceof WaitForDecision) return waitForDecision(deps, work, wanted.asked)
    if (wanted instanceof WaitForJob) return waitForJob(deps, work)
    if (wanted instanceof WaitForEvent) return awaitEvent(deps, work, wanted.asked)
    const waited = await deps.waitForRuns(work, wanted)
    if (!wanted.again || waited === 'released' || waited instanceof FailedWith) return waited
    work.row.wakeMs = null
    return 'again'
  },
  readDecision: (step, expiry) => readDecision(deps, step, expiry),
  readEvent: (step, expiresAt) => readEvent(deps, step, expiresAt),
})
