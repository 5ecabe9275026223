import type { Journal } from '../journal/journal.ts'
import type { Entry, LeaseRef, StepRow } from '../journal/journal-entry.ts'
import { usageText, warningsText } from './step-record.ts'
import type { StepRun } from './step-run.ts'
import type { StepSide } from './step-side.ts'

/** A step that still runs after this long is recorded as running. Quick steps never pay for that row. */
const startRowAfterMs = 100

/** The record of a step that is still running. */
export interface StartRow {
  write(): Promise<void>
  /** Records the new attempt, if the row is written: a takeover counts it. */
  tryAgain(attempt: number): void
  /** Records that nothing executes until an attempt is due: no death is counted meanwhile. */
  waitForAttempt(attempt: number, dueMs: number): void
  /** Writes the row together with what the step has recorded meanwhile. */
  writeWith(more: Pick<Entry, 'calls' | 'files'>): Promise<void>
  /** Writes the row if the step still runs in a moment. */
  writeSoon(): void
  cancel(): void
  /** The completion of the step is on its way: the row need not be sent any more. */
  withdraw(): void
  /** Whether it was written, so that the next owner of the run sees that the attempt began. */
  isWritten(): boolean
}

export const startRowOf = (
  { journal }: { journal: Pick<Journal, 'add' | 'withdraw'> },
  lease: LeaseRef,
  run: StepRun,
  row: StepRow,
  side: StepSide,
): StartRow => {
  let entry: Entry | undefined
  let timer: NodeJS.Timeout | undefined
  const withdraw = () => {
    // What came with a row is written, even if a newer row follows.
    if (entry && !entry.calls) journal.withdraw(entry)
  }
  const write = (waiting: Partial<StepRow> = {}, more: Pick<Entry, 'calls' | 'files'> = {}) => {
    withdraw()
    const notes = { warnings: warningsText(run, side), usage: usageText(side) }
    entry = { lease, owner: run, step: { ...row, ...notes, ...waiting }, ...more }
    return journal.add(entry)
  }
  return {
    write: () => write(),
    tryAgain(attempt) {
      row.attempt = attempt
      if (entry) void write().catch(() => {})
    },
    waitForAttempt(attempt, dueMs) {
      clearTimeout(timer)
      void write({ attempt, wakeMs: dueMs }).catch(() => {})
    },
    writeWith(more) {
      clearTimeout(timer)
      return write({}, more)
    },
    writeSoon() {
      timer = setTimeout(() => void write().catch(() => {}), startRowAfterMs)
    },
    cancel: () => clearTimeout(timer),
    withdraw,
    isWritten: () => entry !== undefined,
  }
}
