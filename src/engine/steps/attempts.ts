import { setTimeout as delay } from 'node:timers/promises'
import type { AppError } from '../../lib/errors.ts'
import { now, timestamp } from '../../lib/time.ts'
import type { ErrorRecord } from '../../model/runs/error-record.ts'
import type { StepLog } from '../../model/runs/step.ts'
import { type AttemptAttributes, attemptMessages, attemptsAmong } from '../../model/runs/step-attempts.ts'
import type { StepUsage } from '../../model/runs/step-usage.ts'
import { RunOutOfTime } from './execute.ts'
import type { HeldSlot } from './held-slot.ts'
import type { StepAtWork } from './step-at-work.ts'
import { errorRecord } from './step-record.ts'

/** A pause of at least this length releases the slot, and is recorded; a shorter one is not worth it. */
const restFromMs = 1_000
/** Recorded attempts of one step; of more the last ones. */
const mostAttempts = 50

const kinds = new Set<string>(Object.values(attemptMessages))

/** Records an attempt that ended, and that another one follows. */
const note = ({ side }: StepAtWork, message: StepLog, attributes: AttemptAttributes): AttemptAttributes => {
  const recorded = side.warnings.filter(({ type }) => kinds.has(type))
  const [oldest] = recorded
  if (oldest && recorded.length >= mostAttempts) side.warnings.splice(side.warnings.indexOf(oldest), 1)
  side.warnings.push({ ...message, attributes: { ...attributes } })
  return side.warnings.at(-1)?.attributes as unknown as AttemptAttributes
}

const messageOf = (type: string, message: string): Omit<StepLog, 'attributes'> => ({
  timestamp: timestamp(new Date(now())),
  level: 'warning',
  type,
  message,
})

const startOf = ({ place, row, side }: StepAtWork): string =>
  attemptsAmong(side.warnings).at(-1)?.next_started ?? timestamp(place.started ?? new Date(row.startedMs))

/**
 * Waits between two attempts, after recording the failed one. A long wait holds no slot. If this process was paused
 * meanwhile, another one may have taken the run. Rejects when the signal fires, and when the run has used up its
 * working time.
 */
export const pauseIn =
  (work: StepAtWork, held: HeldSlot) =>
  async (failed: AppError, milliseconds: number, signal: AbortSignal): Promise<void> => {
    const { engine, lease, run, place, startRow } = work
    const isLong = milliseconds >= restFromMs
    const isRest = isLong || place.step.options.retry !== undefined
    if (isRest) held.give()
    if (isRest && run.workMs >= engine.limits.runTimeoutSeconds * 1000) throw new RunOutOfTime()
    const dueMs = Math.round(now() + milliseconds)
    const attempt = noteFailed(work, failed, dueMs)
    if (isLong) startRow.waitForAttempt(place.attempt + 1, dueMs)
    await delay(milliseconds, undefined, { signal })
    if (isRest) {
      await held.take()
      await engine.confirmLease(lease)
    }
    attempt.next_started = timestamp(new Date(now()))
  }

/**
 * Counts the recorded attempts of a step that a worker carried out and that failed. Steps that ask for nothing else
 * while they wait, as a poll of a service does, count the failures since their last wait.
 */
export const failedJobs = ({ place, side }: StepAtWork): number =>
  place.step.activity.category === 'workers'
    ? attemptsAmong(side.warnings).filter(({ error_detail: error }) => error !== null).length
    : 0

const noteFailed = (work: StepAtWork, failed: AppError, dueMs: number): AttemptAttributes => {
  const { run, place } = work
  const error = JSON.parse(errorRecord(failed, run.environment.scrub.text)) as ErrorRecord
  const text = `Attempt ${place.attempt} of step '${place.name}' failed: ${error.message}`
  const message = messageOf(attemptMessages.retried, text)
  return note(
    work,
    { ...message, attributes: {} },
    {
      attempt: place.attempt,
      started: startOf(work),
      ended: message.timestamp,
      error_detail: error,
      next_at: timestamp(new Date(dueMs)),
      next_started: null,
    },
  )
}

/**
 * Records that an attempt ended with its process before it began an effect outside, so that the next one may repeat it.
 * Without this record it looks like one whose process died.
 */
export const noteReleased = async (work: StepAtWork): Promise<void> => {
  const { place, row, side, startRow, hasBegun } = work
  // Of a step that waits, or is between two attempts, the row says already what is next.
  const isPaused = row.wakeMs !== null || attemptsAmong(side.warnings).at(-1)?.attempt === place.attempt
  if (hasBegun || isPaused || !startRow.isWritten()) return
  const message = messageOf(
    attemptMessages.interrupted,
    `Attempt ${place.attempt} of step '${place.name}' was interrupted: its process stopped`,
  )
  const attempt = { attempt: place.attempt, started: startOf(work), ended: message.timestamp }
  note(work, { ...message, attributes: {} }, { ...attempt, error_detail: null, next_at: null, next_started: null })
  await startRow.write().catch(() => {})
}

interface RecordedAttempt {
  warnings: string | null
  usage: string | null
  attempt: number
  waiting: boolean
}

/** Reads back the attempts of a step that an earlier owner of the run began. */
export const restoreAttempts = async (work: StepAtWork): Promise<void> => {
  const { engine, run, place, side } = work
  const [row] = await engine.database.rows<RecordedAttempt>(
    'attempts_before',
    'select warnings, usage, attempt, wake_at is not null as waiting from steps where run_id = $1 and seq = $2',
    [run.key, place.seq],
  )
  if (!row) return
  if (row.usage !== null) side.usage = JSON.parse(row.usage) as StepUsage
  const messages = row.warnings === null ? [] : (JSON.parse(row.warnings) as StepLog[])
  side.warnings.push(...messages.filter(({ type }) => kinds.has(type)))
  const begins = timestamp(new Date(now()))
  const last = attemptsAmong(side.warnings).at(-1)
  if (last?.attempt === place.attempt - 1) last.next_started ??= begins
  if (row.waiting || row.attempt >= place.attempt || last?.attempt === row.attempt) return
  const text = `Attempt ${row.attempt} of step '${place.name}' was interrupted: its process ended`
  note(
    work,
    { ...messageOf(attemptMessages.interrupted, text), attributes: {} },
    {
      attempt: row.attempt,
      started: startOf(work),
      ended: null,
      error_detail: null,
      next_at: null,
      next_started: begins,
    },
  )
}
