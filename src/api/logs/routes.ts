import type { z } from 'zod'
import { implement, type Route } from '../../http/implement.ts'
import { bytes, textStream } from '../../http/reply.ts'
import { AppError, invalidField } from '../../lib/errors.ts'
import { timestamp } from '../../lib/time.ts'
import { coveredIds } from '../../model/collections/identity.ts'
import type { NewAgentEvent } from '../../model/runbooks/runbook-run.ts'
import type { LogEvent } from '../../model/runs/run-events.ts'
import type { Queries } from '../../store/database/database.ts'
import { findRunByWorkflowId, type RunRow } from '../../store/runs/runs.ts'
import { lastStepEvent, stepEventsAfter, stepEventsBetween } from '../../store/runs/step-events.ts'
import { allSteps, findStep, stepOutlines } from '../../store/runs/step-records.ts'
import type { StepRecord } from '../../store/runs/step-row.ts'
import { type AttemptRow, attemptsOf } from '../../store/webhooks.ts'
import { agentLine, agentLogEvent, agentLogTypes } from '../trajectories/agent-events.ts'
import type { ShownDefinition } from '../trajectories/definitions.ts'
import { shownAttempts } from '../trajectories/document.ts'
import type { DocumentDeps } from '../trajectories/documents.ts'
import {
  afterStart,
  carriedEvent,
  closingEvents,
  isCarried,
  logEvents,
  openingEvents,
  startedEvents,
  stepEventParts,
} from '../trajectories/log-events.ts'
import { waitingOf } from '../trajectories/waiting.ts'
import { logsContract } from './contract.ts'

/** Filter of a log. An omitted member does not restrict it. */
interface EventFilter {
  level?: LogEvent['level'] | undefined
  /** Milliseconds since 1970. */
  after?: number | undefined
  step?: string | undefined
  /** Number of an attempt. It excludes events that belong to no step. */
  attempt?: number | undefined
  /** Only events of one of these types; an empty list lets every type through. */
  types: readonly string[]
  /** Text in the message or the attributes (case-insensitive). */
  text?: string | undefined
}

/** Escapes a text as it appears inside JSON. */
const inJson = (text: string): string => JSON.stringify(text).slice(1, -1)

/** Makes the test of an event. */
export const matcherOf = ({
  level,
  after,
  step,
  attempt: wantedAttempt,
  types,
  text,
}: EventFilter): ((event: LogEvent, attempt?: number) => boolean) => {
  const wanted = new Set(types)
  const lower = text?.toLowerCase() ?? ''
  const lowerInJson = inJson(lower)
  return (event, attempt) =>
    (level === undefined || event.level === level) &&
    (after === undefined || Date.parse(event.timestamp) > after) &&
    (step === undefined || event.step === step) &&
    (wantedAttempt === undefined || attempt === wantedAttempt) &&
    (wanted.size === 0 || wanted.has(event.type)) &&
    (lower === '' ||
      event.message.toLowerCase().includes(lower) ||
      JSON.stringify(event.attributes).toLowerCase().includes(lowerInJson))
}

/** Types of agent events that can have a level. */
const typesOfLevel: Record<LogEvent['level'], readonly NewAgentEvent['type'][]> = {
  debug: [],
  info: ['phase', 'message', 'tool_call', 'tool_result', 'usage', 'output', 'end'],
  warning: ['warning'],
  error: ['error', 'end'],
}

/**
 * Converts a filter to conditions on stored events. They may match too much, never too little. Undefined if no stored
 * event can match.
 */
const storedConditions = (filter: EventFilter): { pattern: string | null; like: string | null } | undefined => {
  const all = Object.keys(agentLogTypes) as NewAgentEvent['type'][]
  const types = all.filter(
    (type) =>
      (filter.types.length === 0 || filter.types.includes(agentLogTypes[type])) &&
      (filter.level === undefined || typesOfLevel[filter.level].includes(type)),
  )
  if (types.length === 0) return undefined
  const isAny = types.length === all.length
  return {
    pattern: isAny ? null : `^\\{"type":"(${types.join('|')})"`,
    like: filter.text ? `%${inJson(filter.text).replace(/[\\%_]/g, '\\$&')}%` : null,
  }
}

/** Order of the log: the run, then step by step its start, the events of its agent and its end, last the run's end. */
interface LogPosition {
  /** 0 for the beginning of the run, the step's number plus one, or `afterSteps`. */
  unit: number
  phase: 0 | 1 | 2
  /** Index within the phase. */
  n: number
}

const afterSteps = 9_999_999_999

const positionText = ({ unit, phase, n }: LogPosition): string => `${unit}.${phase}.${n}`

const readPosition = (cursor: string): LogPosition => {
  const [, unit, phase, n] = /^(\d{1,10})\.([012])\.(\d{1,10})$/.exec(cursor) ?? []
  if (unit === undefined) {
    throw invalidField(['query', 'cursor'], 'Expected the next_cursor of an earlier response, unchanged', 'cursor')
  }
  return { unit: Number(unit), phase: Number(phase) as LogPosition['phase'], n: Number(n) }
}

/** Compares two positions. Negative if `one` comes first. */
const comparePositions = (one: LogPosition, other: LogPosition): number =>
  one.unit - other.unit || one.phase - other.phase || one.n - other.n

/** Makes log events of the deliveries of a run's webhook. */
const deliveryEvents = (attempts: AttemptRow[]): LogEvent[] =>
  attempts.map(({ n, delivered, status_code, error, started_at, duration_ms, by_hand }) => ({
    timestamp: timestamp(started_at),
    level: delivered ? 'info' : 'warning',
    type: delivered ? 'webhook_delivered' : 'webhook_failed',
    step: null,
    activity: null,
    message: delivered ? 'Webhook delivered' : `Webhook not delivered: ${error}`,
    attributes: { delivery: n, status_code, duration_ms, by_hand },
  }))

/** An event and its position in the log. Without an event: a position up to which no event matched. */
interface LocatedEvent {
  at: LogPosition
  event?: LogEvent
  /** The attempt of the step in which it happened. */
  attempt?: number
  /** Characters and rows that were read for it. */
  cost: number
}

interface LogReading {
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
async function* locatedEvents(reading: LogReading): AsyncGenerator<LocatedEvent> {
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

/** Generates the log as text, one event after the other. */
async function* textLines(reading: LogReading): AsyncGenerator<string> {
  const matches = matcherOf(reading.filter)
  for await (const { event, attempt } of locatedEvents(reading)) {
    if (event && matches(event, attempt)) yield eventLine(event)
  }
}

const agentTypes = new Set<string>(Object.values(agentLogTypes))

/** Terminal sequences, and all control characters but tab and line break: a log may be shown in a terminal. */
const unprintable =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is removed
  /\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|.)?|[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g

/** Writes an event as text. Further lines of its message are indented. */
const eventLine = ({ timestamp, level, type, step, message, attributes }: LogEvent): string => {
  const text = agentTypes.has(type) ? agentLine(attributes as unknown as NewAgentEvent) : message
  const printable = text.replaceAll('\r\n', '\n').replace(unprintable, '').replaceAll('\n', '\n    ')
  return `${timestamp} ${level.padEnd(7)} ${type}${step === null ? '' : ` [${step}]`} ${printable}\n`
}

type Query = z.output<typeof logsContract.getWorkflowLogs.query>
interface LogPage {
  events: LogEvent[]
  next_cursor: string | null
}

export const logsRoutes = (deps: DocumentDeps): Route[] =>
  implement(logsContract, {
    getWorkflowLogs: async ({ params, query, identity }) => {
      const run = await findRunByWorkflowId(deps.database, params.workflow_id, coveredIds(identity))
      if (!run) throw new AppError('not_found', `Workflow '${params.workflow_id}' not found`)
      if (query.format === 'text') {
        const lines = textLines(await readingOf(deps, run, { ...query, cursor: undefined }))
        return bytes(textStream(lines), {
          'content-type': 'text/plain; charset=utf-8',
          'content-disposition': `attachment; filename="${encodeURIComponent(run.trajectory_id)}.log"`,
          'cache-control': 'no-store',
        })
      }
      const page = isInParts(query) ? await partOf(deps, run, query) : await wholeLog(deps, run, query)
      return {
        workflow_id: run.workflow_id,
        trajectory_id: run.trajectory_id,
        status: run.status,
        waiting: waitingOf(run),
        ...page,
      }
    },
  })

const isInParts = ({ order, step, attempt, type, q, cursor }: Query): boolean =>
  order !== undefined ||
  step !== undefined ||
  attempt !== undefined ||
  type.length > 0 ||
  !!q ||
  !!cursor?.includes('.')

const filterOf = ({ level, after, step, attempt, type, q }: Query): EventFilter => ({
  level,
  after,
  step,
  attempt,
  types: type,
  text: q,
})

const readingOf = async ({ database, definitions }: DocumentDeps, run: RunRow, query: Query): Promise<LogReading> => ({
  database,
  run,
  definition: await definitions(run.definition),
  filter: filterOf(query),
  order: query.order ?? 'asc',
  from: query.cursor === undefined ? undefined : readPosition(query.cursor),
})

/** Maximum characters read for one response, events that do not match included. */
const mostRead = 4 * 1024 * 1024

/** A part of the log: as many matching events as asked for, or as are found within what one response may read. */
const partOf = async (deps: DocumentDeps, run: RunRow, query: Query): Promise<LogPage> => {
  const matches = matcherOf(filterOf(query))
  const events: LogEvent[] = []
  let read = 0
  for await (const { at, event, attempt, cost } of locatedEvents(await readingOf(deps, run, query))) {
    if (event && matches(event, attempt)) events.push(event)
    read += cost
    if (events.length >= query.limit || read >= mostRead) return { events, next_cursor: positionText(at) }
  }
  return { events, next_cursor: null }
}

/** The log as clients without paging expect it: everything but later agent events is on the first page. */
const wholeLog = async (deps: DocumentDeps, run: RunRow, query: Query): Promise<LogPage> => {
  const { database } = deps
  const definition = await deps.definitions(run.definition)
  const range = { runKey: run.id, after: Number(query.cursor ?? 0), until: Number.MAX_SAFE_INTEGER, limit: query.limit }
  const told = definition.hasEvents ? await stepEventsAfter(database, range) : { events: [], complete: true }
  const whole = async () => {
    const [steps, attempts] = await Promise.all([
      allSteps(database, run.id, { view: 'summary' }),
      run.webhook_url ? attemptsOf(database, run.id) : [],
    ])
    return [...logEvents(run, steps, definition, told.events), ...deliveryEvents(attempts)]
  }
  const events = query.cursor === undefined ? await whole() : told.events.map((row) => agentLogEvent(row, definition))
  return {
    events: events.filter(matcherOf(filterOf(query))),
    next_cursor: told.complete ? null : String(told.events.at(-1)?.changed),
  }
}
