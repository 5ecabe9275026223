import type { Slots } from '../../lib/slots.ts'
import type { StepRun } from './step-run.ts'

/**
 * The time for which a run works: while at least one of its steps executes, however many do. Waiting, for a slot or for
 * what a step waits for, is none of it.
 */
const beginWork = (run: StepRun): void => {
  count(run)
  run.working++
}

const endWork = (run: StepRun): void => {
  count(run)
  run.working--
}

const count = (run: StepRun): void => {
  const at = Math.round(performance.now())
  if (run.working > 0) run.workMs += at - run.workedUntilMs
  run.workedUntilMs = at
}

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
