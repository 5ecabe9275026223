import { longestTimerMs, now } from '../../lib/time.ts'
import type { Journal } from '../journal/journal.ts'
import { Interrupted } from '../steps/execute.ts'
import type { StepAtWork } from '../steps/step-at-work.ts'
import { usageText, warningsText } from '../steps/step-record.ts'
import type { StepRun } from '../steps/step-run.ts'

export interface ParkDeps {
  journal: Pick<Journal, 'add'>
  /** Fires when the process stops taking steps. */
  stopping: AbortSignal
}

/** A run that waits at least this long leaves memory: it is parked, and queued again when it is due. */
const parkFromMs = 60_000

/**
 * Waits until a time, without a slot. `over`: record the outputs. The other results mean that the run has left this
 * process.
 */
export const waitUntil = async (
  deps: ParkDeps,
  work: StepAtWork,
  until: Date,
): Promise<'over' | 'parked' | 'released'> => {
  const { run, row, startRow } = work
  const left = until.getTime() - now()
  if (left <= 0) return 'over'
  row.wakeMs = until.getTime()
  if (left >= parkFromMs && mayPark(run)) return park(deps, work, until.getTime())
  if (left > 100) void startRow.write().catch(() => {})
  let timer: NodeJS.Timeout | undefined
  let interrupt = () => {}
  const rang = await new Promise<boolean>((resolve) => {
    const ring = () => {
      const still = until.getTime() - now()
      if (still <= 0) resolve(true)
      else timer = setTimeout(ring, Math.min(still, longestTimerMs))
    }
    ring()
    interrupt = () => resolve(false)
    run.interrupts.add(interrupt)
    if (run.requested || run.failure || deps.stopping.aborted) resolve(false)
  })
  clearTimeout(timer)
  run.interrupts.delete(interrupt)
  if (rang) return 'over'
  if (run.requested || run.failure) throw new Interrupted(row.name)
  return 'released'
}

/** Whether the run can leave memory: no other step of it executes or waits here. */
export const mayPark = (run: StepRun): boolean => run.underWay <= 1

/** Records the wait of a step. The run leaves memory until it is woken. */
export const park = async ({ journal }: ParkDeps, work: StepAtWork, wakeMs: number | null): Promise<'parked'> => {
  const { lease, run, row, side } = work
  row.warnings = warningsText(run, side)
  row.usage = usageText(side)
  await journal.add({
    lease,
    owner: run,
    step: row,
    park: { runKey: run.key, seq: row.seq, wakeMs },
  })
  return 'parked'
}
