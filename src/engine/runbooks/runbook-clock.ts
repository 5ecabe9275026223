import { longestTimerMs, now } from '../../lib/time.ts'
import type { RunbookStatistics } from '../engine.ts'
import type { LeaseRef } from '../journal/journal-entry.ts'
import { Fenced } from '../journal/journal-sender.ts'
import type { Heartbeat } from '../leases/heartbeat.ts'
import type { HeldSlot } from '../steps/held-slot.ts'
import type { StepAtWork } from '../steps/step-at-work.ts'

/** How often the lease is checked: a sandbox must stop once another process has the run. */
const checkLeaseMs = 500

/** Checks the lease from time to time: once another process has the run, the sandbox must stop, and ask no model. */
export const watchLease = (
  { confirmLease }: { confirmLease: Heartbeat['confirm'] },
  lease: LeaseRef,
  onFenced: (fenced: Fenced) => void,
) => {
  const confirm = async (): Promise<void> => {
    try {
      await confirmLease(lease)
    } catch (error) {
      if (error instanceof Fenced) onFenced(error)
      throw error
    }
  }
  let isChecking = false
  const check = async () => {
    if (isChecking) return
    isChecking = true
    await confirm().catch(() => {}) // Postgres is away: asked again
    isChecking = false
  }
  const timer = setInterval(() => void check(), checkLeaseMs)
  return { confirm, end: () => clearInterval(timer) }
}

/** The runbooks of this process. */
export interface RunbooksHere {
  /** Runbooks that are carried out, or wait for a sandbox. */
  underWay: Set<RunClock>
  /** Runbooks that have ended, by `completed` or the reason of their failure. */
  ended: Record<string, number>
}

export const countRunbooks = ({ underWay, ended }: RunbooksHere): RunbookStatistics => {
  const waiting = [...underWay].filter(({ isWaiting }) => isWaiting).length
  return { working: underWay.size - waiting, waiting, ended }
}

export const countEnd = ({ ended }: RunbooksHere, reason: string): void => {
  ended[reason] = (ended[reason] ?? 0) + 1
}

/** Counts the working time of the run. While a runbook waits for a sandbox it holds no slot, and no time counts. */
interface RunClock {
  readonly isWaiting: boolean
  rest(): void
  goOn(): void
  end(): void
}

export const runClock = (
  { limits }: { limits: { runTimeoutSeconds: number } },
  { run, row, startRow }: StepAtWork,
  held: HeldSlot,
  onOver: () => void,
): RunClock => {
  let timer: NodeJS.Timeout | undefined
  let isWaiting = false
  /** Time passes without work while the storage of files is away: then it is not over yet. */
  const over = () => {
    timer = undefined
    const working = run.working > 0 ? performance.now() - run.workedUntilMs : 0
    const left = limits.runTimeoutSeconds * 1000 - run.workMs - working
    if (left > 1) timer = setTimeout(over, left)
    else onOver()
  }
  /** Records whether the step only waits: then no death and no attempt is counted for it. */
  const show = () => {
    row.wakeMs = isWaiting ? now() : null
    void startRow.write().catch(() => {}) // another process has the run: noticed elsewhere
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
      const left = Math.max(0, limits.runTimeoutSeconds * 1000 - run.workMs)
      if (left <= longestTimerMs) timer ??= setTimeout(over, left)
    },
    end: () => clearTimeout(timer),
  }
}
