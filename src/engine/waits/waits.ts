import { type FailedWith, type Json, WaitForDecision, type WaitForRuns, WaitUntil } from '../../activities/activity.ts'
import type { StepAtWork } from '../steps/step.ts'
import { waitForDecision } from './approval.ts'
import { waitUntil } from './park.ts'

/** The step is not recorded: it is carried out again by whoever has the run next. */
export type Left = 'parked' | 'released'

/** The result of a wait: outputs or a failure to record, `again` to run the activity once more, or the run left this process. */
export type Waited = Record<string, Json> | FailedWith | 'again' | Left

/** Waits, holding no slot, for what an activity asks to wait for. */
export const waitOut = async (work: StepAtWork, wanted: WaitUntil | WaitForRuns | WaitForDecision): Promise<Waited> => {
  if (wanted instanceof WaitUntil) {
    const waited = await waitUntil(work, wanted.until)
    return waited === 'over' ? wanted.outputs : waited
  }
  if (wanted instanceof WaitForDecision) return waitForDecision(work, wanted.asked)
  return work.engine.fanOuts.waitForRuns(work, wanted)
}
