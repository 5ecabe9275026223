import { AppError } from '../../lib/errors.ts'
import { makeSchemaChecker } from '../../lib/json-schema/schema-checker.ts'
import { timestamp, timestampOrNull } from '../../lib/time.ts'
import type { AskedEvent, AwaitedEvent } from '../../model/events/awaited-event.ts'
import type { EventAddress } from '../../model/events/sent-event.ts'
import type { StepLog } from '../../model/runs/step.ts'
import type { Queries } from '../../store/database/database.ts'
import {
  type EventWaitRow,
  expireEventWait,
  findEventWait,
  listStoredEvents,
  refuseStoredEvent,
  requestEvent,
  takeStoredEvent,
  withdrawEventWait,
} from '../../store/events/events.ts'
import type { DecidedStep, StepAtWork } from '../steps/step-at-work.ts'
import { type StepSide, warningEvent } from '../steps/step-side.ts'
import { type AnswerDeps, type AskedRow, readAnswer, waitForRow } from './answer.ts'

const mostComparisons = 500_000
const shownIssues = 5

/** Says why a payload does not fit a JSON Schema; undefined when it does. */
export const payloadProblem = async (schema: unknown, payload: unknown): Promise<string | undefined> => {
  if (schema === null) return undefined
  const issues = await makeSchemaChecker(schema, mostComparisons).issues(payload)
  if (issues === undefined) return 'The payload takes too long to compare with output_schema'
  if (issues.length === 0) return undefined
  const shown = issues.slice(0, shownIssues).map(({ path, message }) => `${['payload', ...path].join('.')} ${message}`)
  return `The payload does not fit output_schema: ${shown.join('; ')}`
}

/** The request of a step for an event. */
const eventWaitOf = (database: Queries, { runKey, seq }: { runKey: string; seq: number }): AskedRow<EventWaitRow> => ({
  table: 'event_waits',
  find: () => findEventWait(database, runKey, seq),
  isOpen: ({ outcome }) => outcome === null,
  expire: () => expireEventWait(database, runKey, seq),
  withdraw: () => withdrawEventWait(database, runKey, seq),
  messages: waitMessages,
})

/** Reads what came of a step's wait; undefined while it may still wait. */
export const readEvent = async (
  database: Queries,
  { run, seq, side }: DecidedStep,
  expiresAt: Date | null,
): Promise<AwaitedEvent | undefined> => {
  const wait = await readAnswer(eventWaitOf(database, { runKey: run.key, seq }), side, expiresAt)
  if (!wait?.ended_at) return undefined
  const { event, key, event_id: id, payload, sent_by, received_at, ended_at } = wait
  return { event, key, id, payload: payload === null ? null : JSON.parse(payload), sent_by, received_at, ended_at }
}

/**
 * Waits for an event, or takes one that came earlier. The row of the wait is committed before kept events are looked up:
 * a sender either sees the row, or has kept its event by then.
 */
export const awaitEvent = async (
  deps: AnswerDeps,
  work: StepAtWork,
  asked: AskedEvent,
): Promise<'again' | 'parked' | 'released'> => {
  const { run, row, place, side } = work
  const { address, ofCallback } = addressesOf(work, asked)
  await requestEvent(deps.database, {
    run_id: run.key,
    seq: row.seq,
    step: row.name,
    callback: place.step.name,
    event: address.event,
    key: address.key,
    payload_schema: asked.schema && JSON.stringify(asked.schema),
    expires_at: asked.expiresAt,
    address,
    ofCallback,
  })
  const refused = tellRefused(side)
  for (const one of [ofCallback, address])
    if (await takeKept(deps.database, work, one, asked.schema, refused)) return 'again'
  return waitForRow(deps, work, eventWaitOf(deps.database, row), asked.expiresAt)
}

const addressesOf = (
  { run, place }: StepAtWork,
  asked: AskedEvent,
): { address: EventAddress; ofCallback: EventAddress } => {
  const { collectionId, trajectoryId } = run
  const event = asked.event ?? place.step.name
  const key = asked.key ?? trajectoryId
  for (const [name, text] of Object.entries({ event, key })) {
    // Lists of events show both, and all scrubbed keys would be one.
    if (run.environment.scrub.text(text) === text && !text.includes('***')) continue
    throw new AppError('parameter_invalid', `Step '${place.name}': parameter '${name}' holds a secret`, {
      hint: 'Events are listed with their names and keys. Use a number of the case, or a hash.',
    })
  }
  return {
    address: { collectionId, event, key, runKey: null },
    ofCallback: { collectionId, event: place.step.name, key: trajectoryId, runKey: run.key },
  }
}

/** Refused events that the log of a step names; a collection may keep 10,000. */
const mostRefusedTold = 20

/** Makes the function that adds a warning for each refused event, and one for all beyond the first 20. */
const tellRefused = ({ warnings }: StepSide): ((text: string) => void) => {
  const first = warnings.length
  let total = 0
  return (text) => {
    total++
    if (total <= mostRefusedTold) return void warnings.push(warningEvent(text))
    const more = `${total - mostRefusedTold} more events were refused. List them with: jetty events ls --state refused`
    warnings[first + mostRefusedTold] = warningEvent(more)
  }
}

/** Takes the oldest kept event that fits. Those that do not fit are refused, with a warning. */
const takeKept = async (
  database: Queries,
  { run, row }: StepAtWork,
  address: EventAddress,
  schema: AskedEvent['schema'],
  refused: (text: string) => void,
): Promise<boolean> => {
  const taker = { task: run.task, trajectory_id: run.trajectoryId, step: row.name }
  for (;;) {
    const kept = await listStoredEvents(database, address)
    if (kept.length === 0) return false
    for (const { number, event_id, payload } of kept) {
      const reason = await payloadProblem(schema, JSON.parse(payload))
      if (reason === undefined) {
        if (await takeStoredEvent(database, number, { runKey: run.key, seq: row.seq, taker })) return true
        const wait = await findEventWait(database, run.key, row.seq)
        // Without a row the run has ended in another process: the kept event would be found again and again.
        if (!wait) return false
        // A sender has just answered this step; otherwise another step has taken the event.
        if (wait.outcome) return true
      } else {
        await refuseStoredEvent(database, number, { reason, taker })
        refused(`Event '${event_id}' was refused: ${reason}`)
      }
    }
  }
}

/** Log messages of a wait: that it began, and how it ended. */
const waitMessages = (wait: EventWaitRow): StepLog[] => {
  const { step, event, key, outcome, ended_at } = wait
  const begun: StepLog = {
    timestamp: timestamp(wait.waits_since),
    level: 'info',
    type: 'event_awaited',
    message: `Step '${step}' waits for event '${event}' with key '${key}'`,
    attributes: { event, key, expires_at: timestampOrNull(wait.expires_at) },
  }
  if (!outcome || !ended_at) return [begun]
  const isLate = outcome === 'timed_out'
  const ended: StepLog = {
    timestamp: timestamp(ended_at),
    level: 'info',
    type: isLate ? 'event_timed_out' : 'event_received',
    message: isLate
      ? `Step '${step}' received no event in time`
      : `Step '${step}' received event '${wait.event_id}' from ${wait.sent_by}`,
    attributes: { event_id: wait.event_id, sent_by: wait.sent_by },
  }
  return [begun, ended]
}
