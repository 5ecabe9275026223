import { AppError } from '../../lib/errors.ts'
import { now } from '../../lib/time.ts'
import type { ErrorRecord } from '../../model/runs/error-record.ts'
import { stepFailed } from '../../model/runs/step-failed.ts'
import type { RunStatus, StepStatus } from '../../model/workflows/workflow.ts'
import type { Journal } from '../journal/journal.ts'
import type { Entry, LeaseRef, StepRow } from '../journal/journal-entry.ts'
import type { StepPlace, StepRun } from './step-run.ts'
import type { StepSide } from './step-side.ts'

/** The outcome of a step. */
export interface StepOutcome {
  status: Extract<StepStatus, 'completed' | 'failed' | 'cancelled'>
  outputs: string | null
  error: AppError | undefined
  /** Whether it failed and the run continues: `continue_on_error`. */
  goesOn?: boolean
}

/** The row of a step that has just begun. */
export const rowOf = (run: StepRun, place: StepPlace): StepRow => ({
  runKey: run.key,
  taskId: run.taskId,
  seq: place.seq,
  name: place.name,
  turn: place.turn > 1 ? place.turn : null,
  status: 'running',
  attempt: place.attempt,
  inputs: null,
  outputs: null,
  inputsPayload: null,
  outputsPayload: null,
  error: null,
  warnings: null,
  origin: null,
  usage: null,
  workMs: run.workMs,
  startedMs: place.started?.getTime() ?? now(),
  wakeMs: null,
  endedMs: null,
  begins: run.pending,
})

/** The row of a step that a branch skipped. */
export const skippedRow = (run: StepRun, place: StepPlace): StepRow => {
  const at = now()
  return { ...rowOf(run, place), status: 'skipped', startedMs: at, endedMs: at }
}

/** The error of a run that was asked to end. */
export const requestedError = (status: RunStatus): string | null =>
  status === 'cancelled' ? 'Cancelled on request' : status === 'failed' ? 'Marked as failed on request' : null

/** The error of a run whose step failed. */
export const failureText = (run: StepRun, { name, message }: { name: string; message: string }): string =>
  run.environment.scrub.text(stepFailed(name, message))

/** Warnings as stored in the step's row. */
export const warningsText = (run: StepRun, side: StepSide): string | null =>
  side.warnings.length === 0 ? null : run.environment.scrub.json(side.warnings)

/** The usage of its model calls as stored in the step's row. */
export const usageText = ({ usage }: StepSide): string | null => (usage === undefined ? null : JSON.stringify(usage))

/** Outputs above the limit fail their step with a clear text; they never fail the batch. */
export const outputsTooLarge = (bytes: number, limit: number, step: string): AppError =>
  new AppError(
    'output_too_large',
    `Step '${step}' produced ${megabytes(bytes)} of outputs; at most ${megabytes(limit)} are kept`,
    { hint: 'Save large results as files and pass their paths on, or raise JETTY_MAX_OUTPUT_BYTES.' },
  )

const megabytes = (bytes: number): string => `${(bytes / 1024 / 1024).toFixed(1)} MiB`

/** A failure as stored in the step's row. */
export const errorRecord = (error: AppError, scrub: (text: string) => string): string =>
  JSON.stringify({
    code: error.code,
    message: scrub(error.message),
    retryable: error.retryable,
    hint: error.hint === undefined ? null : scrub(error.hint),
    cause: error.cause instanceof Error ? scrub(error.cause.message) : null,
    ...(error.code === 'replay_diverged' && error.extra),
  } satisfies ErrorRecord)

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
