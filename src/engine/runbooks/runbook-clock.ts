import { longestTimerMs, now } from '../../lib/time.ts'
import type { RunbookStatistics } from '../engine.ts'
import type { HeldSlot, StepAtWork } from '../steps/step.ts'

/** The runbooks of this process. */
export interface RunbooksHere {
  /** Those that are carried out, and those that wait for a place. */
  underWay: Set<RunClock>
  /** How many have ended so far, by their reason. */
  ended: Record<string, number>
}

export const countRunbooks = ({ underWay, ended }: RunbooksHere): RunbookStatistics => {
  const waiting = [...underWay].filter(({ isWaiting }) => isWaiting).length
  return { working: underWay.size - waiting, waiting, ended }
}

export const countEnd = ({ ended }: RunbooksHere, reason: string): void => {
  ended[reason] = (ended[reason] ?? 0) + 1
}

/** The time of the run, which does not pass while a runbook waits for a place; nor does it hold a slot then. */
export interface RunClock {
  readonly isWaiting: boolean
  rest(): void
  goOn(): void
  end(): void
}

export const runClock = ({ engine, run, row, startRow }: StepAtWork, held: HeldSlot, onOver: () => void): RunClock => {
  let timer: NodeJS.Timeout | undefined
  let isWaiting = false
  /** A step that only waits has no part in a death of its process, and has not been tried by then. */
  const show = () => {
    row.wakeMs = isWaiting ? now() : null
    void startRow.write().catch(() => {}) // somebody else has the run: that is seen elsewhere
  }
  return {
    get isWaiting() {
      return isWaiting
    },
    rest() {
      isWaiting = true
      clearTimeout(timer)
      timer = undefined
      held.give()
      show()
    },
    goOn() {
      if (isWaiting) {
        isWaiting = false
        void held.take()
        show()
      }
      const left = Math.max(0, engine.limits.runTimeoutSeconds * 1000 - run.workMs)
      if (left <= longestTimerMs) timer ??= setTimeout(onOver, left)
    },
    end: () => clearTimeout(timer),
  }
}
