import type { LogEvent } from '../../model/runs/run-events.ts'
import type { Queries } from '../../store/database/database.ts'
import type { RunRow } from '../../store/runs/runs.ts'
import { lastStepEvent, stepEventsBetween } from '../../store/runs/step-events.ts'
import { findStep, stepOutlines } from '../../store/runs/step-records.ts'
import type { StepRecord } from '../../store/runs/step-row.ts'
import { attemptsOf } from '../../store/webhooks.ts'
import { agentLogEvent } from '../trajectories/agent-events.ts'
import type { ShownDefinition } from '../trajectories/definitions.ts'
import {
  afterStart,
  carriedEvent,
  closingEvents,
  isCarried,
  openingEvents,
  startedEvents,
  stepEventParts,
} from '../trajectories/log-events.ts'
import { shownAttempts } from '../trajectories/step-times.ts'
import { deliveryEvents } from '../webhooks/log-events.ts'
import { type EventFilter, storedConditions } from './filter.ts'
import { afterSteps, comparePositions, type LogPosition } from './position.ts'

/** An event and its position in the log. Without an event: a position up to which no event matched. */
interface LocatedEvent {
  at: LogPosition
  event?: LogEvent
  /** The attempt of the step in which it happened. */
  attempt?: number
  /** Characters and rows that were read for it. */
  cost: number
}

export interface LogReading {
  database: Queries
  run: RunRow
  definition: ShownDefinition
  filter: EventFilter
  order: 'asc' | 'desc'
  /** Position after which the reading begins, in its order; undefined for the whole log. */
  from: LogPosition | undefined
}

const stepsAtOnce = 200

/** Reads the log of a run in order, as far as the caller asks for it. */
export async function* locatedEvents(reading: LogReading): AsyncGenerator<LocatedEvent> {
  const { run, order, from } = reading
  const isForward = order === 'asc'
  const opening = () => listed(reading, 0, 0, [...openingEvents(run), ...startedEvents(run)])
  if (reading.filter.step !== undefined) yield* eventsOfNamedStep(reading, reading.filter.step)
  else if (isForward) {
    yield* opening()
    if (!run.ingested && from?.unit !== afterSteps) yield* eventsOfSteps(reading, seqOf(from?.unit ?? 0))
    yield* await closing(reading)
  } else {
    if (!from || from.unit === afterSteps) yield* await closing(reading)
    if (!run.ingested && from?.unit !== 0) yield* eventsOfSteps(reading, seqOf(from?.unit ?? afterSteps))
    yield* opening()
  }
}

/** Number of the step at a position. Positions before and after all steps give the first and the last number. */
const seqOf = (unit: number): number => Math.min(Math.max(0, unit - 1), 2_147_483_646)

const closing = async (reading: LogReading): Promise<Iterable<LocatedEvent>> => {
  const { database, run } = reading
  const deliveries = run.webhook_url && run.ended_at ? deliveryEvents(await attemptsOf(database, run.id)) : []
  return listed(reading, afterSteps, 0, [...closingEvents(run), ...deliveries])
}

async function* eventsOfNamedStep(reading: LogReading, name: string): AsyncGenerator<LocatedEvent> {
  const step = reading.run.ingested ? undefined : await findStep(reading.database, reading.run.id, name)
  if (step) yield* eventsOfStep(reading, step)
}

async function* eventsOfSteps(reading: LogReading, first: number): AsyncGenerator<LocatedEvent> {
  const { database, run, order } = reading
  for (let from = first; from >= 0; ) {
    const steps = await stepOutlines(database, { runKey: run.id, from, order, limit: stepsAtOnce })
    for (const step of steps) yield* eventsOfStep(reading, step)
    const last = steps.at(-1)
    if (!last || steps.length < stepsAtOnce) return
    from = last.seq + (order === 'asc' ? 1 : -1)
  }
}

async function* eventsOfStep(reading: LogReading, step: StepRecord): AsyncGenerator<LocatedEvent> {
  const { run, definition, order } = reading
  const unit = step.seq + 1
  if (isCarried(step)) return yield* listed(reading, unit, 0, [carriedEvent(run, step, definition)])
  const parts = stepEventParts(step, definition)
  const [start, end] = [parts.start.map(afterStart(run)), parts.end.map(afterStart(run))]
  const { hasEvents } = definition.step(step.name)
  const attemptOf = attemptFinder(step)
  const [first, last] = order === 'asc' ? ([0, 2] as const) : ([2, 0] as const)
  yield* listed(reading, unit, first, first === 0 ? start : end, attemptOf)
  if (hasEvents) yield* agentEvents(reading, step, attemptOf)
  yield* listed(reading, unit, last, last === 0 ? start : end, attemptOf)
}

type AttemptOf = (event: LogEvent) => number

/** Finds the attempt of an event: what the event says, or the attempt that ran at its time. */
const attemptFinder = (step: StepRecord): AttemptOf => {
  const attempts = shownAttempts(step) ?? []
  return ({ type, timestamp, attributes }) => {
    if (type === 'step_started') return attempts[0]?.n ?? 1
    if (typeof attributes.attempt === 'number') return attributes.attempt
    return attempts.findLast(({ started }) => started <= timestamp)?.n ?? attempts[0]?.n ?? step.attempt
  }
}

/** Yields events that need no query, from the start position on. */
function* listed(
  { order, from }: LogReading,
  unit: number,
  phase: 0 | 2,
  events: LogEvent[],
  attemptOf?: AttemptOf,
): Generator<LocatedEvent> {
  const located = events.map(
    (event, n): LocatedEvent => ({
      at: { unit, phase, n },
      event,
      cost: 200,
      ...(attemptOf && { attempt: attemptOf(event) }),
    }),
  )
  if (order === 'desc') located.reverse()
  for (const one of located) if (isAhead(one.at, from, order)) yield one
}

const isAhead = (at: LogPosition, from: LogPosition | undefined, order: LogReading['order']): boolean => {
  const difference = from ? comparePositions(at, from) : order === 'asc' ? 1 : -1
  return order === 'asc' ? difference > 0 : difference < 0
}

/** Numbers of events that one query looks through, and rows that it returns at most. */
const numbersAtOnce = 1_000
const rowsAtOnce = 200
/** Cost of skipping one row, in characters. */
const costOfNumber = 400

/** Yields the events of a step's agent. Their numbers have no gaps, so each query reads a bounded range. */
async function* agentEvents(reading: LogReading, step: StepRecord, attemptOf: AttemptOf): AsyncGenerator<LocatedEvent> {
  const { database, definition, filter, order, from } = reading
  const unit = step.seq + 1
  const timed = afterStart(reading.run)
  const conditions = storedConditions(filter)
  if (!conditions) return
  const isHere = from?.unit === unit
  const isForward = order === 'asc'
  if (isHere && (isForward ? from.phase === 2 : from.phase === 0)) return
  const last = await lastStepEvent(database, step.run_id, step.seq)
  const next = isForward ? 0 : last
  const begin = isHere && from.phase === 1 ? Math.min(from.n, last + 1) + (isForward ? 1 : -1) : next
  for (let at = begin; at >= 0 && at <= last; ) {
    const far = isForward ? Math.min(last, at + numbersAtOnce - 1) : Math.max(0, at - numbersAtOnce + 1)
    const range = { runKey: step.run_id, seq: step.seq, from: Math.min(at, far), to: Math.max(at, far) }
    const rows = await stepEventsBetween(database, { ...range, ...conditions, order, limit: rowsAtOnce })
    for (const row of rows) {
      const event = timed(agentLogEvent({ ...row, seq: step.seq, step: step.name }, definition))
      yield { at: { unit, phase: 1, n: row.n }, event, attempt: attemptOf(event), cost: row.event.length + 200 }
    }
    const reached = rows.length < rowsAtOnce ? far : (rows.at(-1)?.n ?? far)
    yield { at: { unit, phase: 1, n: reached }, cost: costOfNumber * (Math.abs(reached - at) + 1 - rows.length) }
    at = reached + (isForward ? 1 : -1)
  }
}
