import type { Slots } from '../../lib/slots.ts'
import type { StepRun } from './step-run.ts'
import { beginWork, endWork } from './work-time.ts'

/** A slot to execute in. While it is held, the run's working time counts. Pauses between attempts release it. */
export interface HeldSlot {
  take(): Promise<void> | void
  give(): void
  /** Releases it for good. */
  end(): void
}

export const holdSlot = (slots: Slots, run: StepRun): HeldSlot => {
  let isHeld = false
  let isOver = false
  const have = () => {
    if (isOver) return slots.release(run) // interrupted while it waited for one
    isHeld = true
    beginWork(run)
  }
  const give = () => {
    if (!isHeld) return
    isHeld = false
    endWork(run)
    slots.release(run)
  }
  return {
    take() {
      const slot = slots.acquire(run)
      return slot ? slot.then(have) : have()
    },
    give,
    end() {
      isOver = true
      give()
    },
  }
}
