import { now, timestamp, timestampOrNull } from '../../lib/time.ts'
import { eventActivity } from '../../model/events/event.ts'
import { approvalActivity } from '../../model/runs/approval.ts'
import type { ErrorRecord } from '../../model/runs/error-record.ts'
import type { Step, StepLog } from '../../model/runs/step.ts'
import { type AttemptAttributes, attemptsAmong, type StepAttempt } from '../../model/runs/step-attempts.ts'
import { isWorkerActivity } from '../../model/workers/worker.ts'
import type { Queries } from '../../store/database/database.ts'
import { endsOfSteps } from '../../store/runs/step-records.ts'
import type { StepRecord } from '../../store/runs/step-row.ts'
import type { ShownDefinition } from './definitions.ts'

type TimedStep = Omit<StepRecord, 'inputs' | 'outputs' | 'changed'>

/** Computes the time at which a step could have begun; null for a skipped or copied step. */
export type ReadyTimes = (step: TimedStep) => Date | null

const later = (one: Date, other: Date | undefined): Date => (other && other > one ? other : one)

const placesBefore = ({ seq, name }: TimedStep, definition: ShownDefinition): readonly number[] =>
  definition.isParallel ? definition.step(name).after : seq > 0 ? [seq - 1] : []

const makeReadyTimes =
  (created: Date, definition: ShownDefinition, endOf: (seq: number) => Date | null | undefined): ReadyTimes =>
  (step) => {
    if (step.status === 'skipped' || originKind(step) === 'rerun') return null
    const ready = placesBefore(step, definition).reduce((at, seq) => later(at, endOf(seq) ?? undefined), created)
    const isLate = ready > step.started_at // by the clock of another process
    return isLate ? step.started_at : ready
  }

/** When the steps of a run could have begun, from all of its steps. */
export const readyTimes = (run: { created_at: Date }, steps: TimedStep[], definition: ShownDefinition): ReadyTimes => {
  const ends = new Map(steps.map(({ seq, ended_at }) => [seq, ended_at]))
  return makeReadyTimes(run.created_at, definition, (seq) => ends.get(seq))
}

/** The same for some steps of a run; reads when the steps before them ended. */
export const readyTimesOf = async (
  queries: Queries,
  run: { id: string; created_at: Date },
  steps: TimedStep[],
  definition: ShownDefinition,
): Promise<ReadyTimes> => {
  const before = [...new Set(steps.flatMap((step) => placesBefore(step, definition)))]
  const ends = before.length === 0 ? new Map<number, Date>() : await endsOfSteps(queries, run.id, before)
  return makeReadyTimes(run.created_at, definition, (seq) => ends.get(seq))
}

const originKind = ({ origin }: TimedStep): string | undefined =>
  origin === null ? undefined : (JSON.parse(origin) as { kind?: string }).kind

const recordedAttempts = (step: TimedStep): AttemptAttributes[] => {
  // the warnings of a copy describe attempts of another run
  const isCopied = step.origin !== null && originKind(step) !== 'rerun'
  return isCopied || step.warnings === null ? [] : attemptsAmong(JSON.parse(step.warnings) as StepLog[])
}

/** The attempts of a step that has several; undefined otherwise. */
export const shownAttempts = (step: TimedStep): StepAttempt[] | undefined => {
  if (step.attempt === 1) return undefined
  const recorded = recordedAttempts(step)
  const earlier = recorded
    .filter(({ attempt }) => attempt < step.attempt)
    .map(({ attempt: n, started, ended, error_detail }): StepAttempt => ({ n, started, ended, error_detail }))
  const started =
    recorded.find(({ attempt }) => attempt === step.attempt)?.started ??
    recorded.find(({ attempt }) => attempt === step.attempt - 1)?.next_started
  if (!started) return earlier.length > 0 ? earlier : undefined
  const error = step.error === null ? null : (JSON.parse(step.error) as ErrorRecord)
  return [...earlier, { n: step.attempt, started, ended: timestampOrNull(step.ended_at), error_detail: error }]
}

/** Step activities whose waits have a name of their own, as the JSON texts that a definition shows. */
const waitsOf = new Map([
  [JSON.stringify(approvalActivity), 'approval'],
  [JSON.stringify(eventActivity), 'event'],
  [JSON.stringify('list_emit_await'), 'runs'],
] as const)

/** A wait without an end is due that late. */
const farAway = Date.UTC(9000, 0)

/** Describes the wait of a step; undefined if it does not wait. */
export const waitOf = (step: TimedStep, definition: ShownDefinition): Step['wait'] => {
  if (step.wake_at === null || step.ended_at !== null || step.status !== 'running') return undefined
  const due = timestamp(step.wake_at)
  const last = step.attempt > 1 ? recordedAttempts(step).at(-1) : undefined
  if (last && last.next_at === due && last.next_started === null) return { for: 'retry', until: due }
  const { activity, isRunbook } = definition.step(step.name)
  if (isRunbook) return { for: 'sandbox', until: null }
  if (isWorkerActivity(JSON.parse(activity))) return { for: 'worker', until: null }
  const kind = waitsOf.get(activity) ?? 'time'
  const isKnown = step.wake_at.getTime() < farAway && step.wake_at > step.started_at
  return { for: kind, until: isKnown && (kind !== 'runs' || step.wake_at.getTime() > now()) ? due : null }
}
