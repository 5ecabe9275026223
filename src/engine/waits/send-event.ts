import { createHash } from 'node:crypto'
import { AppError, invalidField } from '../../lib/errors.ts'
import { canonicalJson } from '../../lib/json/json-text.ts'
import { byteSize } from '../../lib/settings/byte-size.ts'
import { now } from '../../lib/time.ts'
import type {
  EventAddress,
  EventLimits,
  EventTaker,
  NewEvent,
  ReceivedEventRow,
} from '../../model/events/sent-event.ts'
import type { Database, Queries } from '../../store/database/database.ts'
import {
  callbacksOfRun,
  countKeptEvents,
  deliverEvent,
  findEvent,
  firstEventWait,
  forgetEvent,
  insertEvent,
  lockEventAddress,
  lockKeptEvents,
} from '../../store/events/events.ts'
import { deliverEventToHooks } from '../../store/hooks.ts'
import { payloadProblem } from './event.ts'

interface SentEvent {
  event: ReceivedEventRow
  /** Whether the event was known already. */
  duplicate: boolean
}

/**
 * Gives an event to the step that has waited longest for it and to hooks, or keeps it. The lock of the address makes senders and
 * steps that begin to wait come one after the other. Throws `invalid` for a payload that does not fit the step, which
 * then waits on.
 */
export const sendEvent = async (database: Database, given: NewEvent, limits: EventLimits): Promise<SentEvent> => {
  const payload = JSON.stringify(given.payload)
  const bytes = Buffer.byteLength(payload)
  if (bytes > limits.bytes) throw payloadTooLarge(bytes, limits.bytes)
  const payloadHash = createHash('sha256').update(canonicalJson(given.payload)).digest('hex')
  const event = { ...given, eventId: given.eventId ?? `sha256:${payloadHash}`, payload, payloadHash, bytes }
  return database.transaction(async (queries) => {
    if (!(await lockEventAddress(queries, event))) throw new AppError('not_found', 'Collection not found')
    const known = await findEvent(queries, event)
    const isNew = !known || (isInVain(known) && (await forgetEvent(queries, known.number)))
    if (!isNew) return { event: sameEvent(known, payloadHash), duplicate: true }
    const taker = await giveToFirst(queries, event, given.payload)
    if (!taker && event.runKey !== null) await requireOpenRun(queries, event.runKey)
    const isHooked = await giveToHooks(queries, event)
    const state = taker || isHooked ? 'delivered' : event.keepSeconds === 0 ? 'expired' : 'kept'
    if (state === 'kept') await requireRoom(queries, event, limits)
    const kept = state === 'kept' ? payload : null
    const stored = await insertEvent(queries, { ...event, state, payload: kept, taker: taker ?? null })
    return { event: stored, duplicate: false }
  })
}

/** Stores the event for each hook that starts runs for its name; tells whether there is one. */
const giveToHooks = async (
  queries: Queries,
  { collectionId, event, key, eventId, hookPayload, trace }: NewEvent & { eventId: string },
): Promise<boolean> =>
  hookPayload !== null &&
  deliverEventToHooks(queries, { collectionId, event, deliveryId: `${key}/${eventId}`, payload: hookPayload, trace })

/** Whether no run has had the event, and none will: it may be sent again. */
const isInVain = ({ state, expires_at }: ReceivedEventRow): boolean =>
  state === 'expired' || state === 'refused' || (state === 'kept' && expires_at.getTime() <= now())

const payloadTooLarge = (bytes: number, most: number): AppError =>
  new AppError('too_large', `The payload has ${byteSize(bytes)}; at most ${byteSize(most)} are allowed`, {
    hint: 'Send the path or URL of a file instead, or raise JETTY_EVENT_BYTES.',
  })

/** An event that was sent before. Throws `conflict` when its id came with another payload. */
const sameEvent = (known: ReceivedEventRow, payloadHash: string): ReceivedEventRow => {
  if (known.payload_hash === payloadHash) return known
  throw new AppError('conflict', `Event id '${known.event_id}' was used for another payload`, {
    hint: 'Use a new id for a new event, or send the first payload again.',
  })
}

/** Waits that one sender tries at most: each can end at the moment in which it is chosen. */
const mostTried = 100

const giveToFirst = async (
  queries: Queries,
  event: EventAddress & { eventId: string; payload: string; sentBy: string },
  payload: unknown,
): Promise<EventTaker | undefined> => {
  for (let tried = 0; tried < mostTried; tried++) {
    const wait = await firstEventWait(queries, event)
    if (!wait) return undefined
    const problem = await payloadProblem(wait.payload_schema && JSON.parse(wait.payload_schema), payload)
    if (problem !== undefined) throw invalidField(['body', 'payload'], problem, 'payload_invalid')
    if (await deliverEvent(queries, wait, event)) {
      const task = wait.name.slice(wait.name.indexOf('/') + 1)
      return { task, trajectory_id: wait.trajectory_id, step: wait.step }
    }
  }
  throw new AppError('busy', 'The steps that wait for this event end faster than it can be delivered')
}

/** Callbacks that are kept for one run at most: whoever has its URL must not fill what the collection may keep. */
const mostCallbacks = 100

const requireOpenRun = async (queries: Queries, runKey: string): Promise<void> => {
  const { open, kept } = await callbacksOfRun(queries, runKey)
  if (!open) throw new AppError('conflict', 'The run of this callback has ended')
  if (kept < mostCallbacks) return
  throw new AppError('quota_exceeded', `${kept} callbacks are kept already for the run of this one`)
}

/** Senders that can count side by side at most: PostgreSQL has 100 connections by default. */
const mostSenders = 100

/**
 * Throws when the collection has as many kept events as it may. Near the limit senders take turns: side by side each would
 * count without the others and all together would exceed it.
 */
const requireRoom = async (
  queries: Queries,
  { collectionId, bytes }: { collectionId: number; bytes: number },
  limits: EventLimits,
): Promise<void> => {
  const fits = ({ total, bytes: held }: { total: number; bytes: number }, senders: number) =>
    total + senders <= limits.keptEvents && held + bytes + (senders - 1) * limits.bytes <= limits.keptBytes
  let kept = await countKeptEvents(queries, collectionId)
  if (fits(kept, mostSenders)) return
  if (fits(kept, 1)) {
    await lockKeptEvents(queries, collectionId)
    kept = await countKeptEvents(queries, collectionId)
  }
  if (fits(kept, 1)) return
  const isFull = kept.total >= limits.keptEvents
  const [what, setting] = isFull
    ? [`${kept.total} events`, 'JETTY_KEPT_EVENTS']
    : [byteSize(kept.bytes), 'JETTY_KEPT_EVENT_BYTES']
  throw new AppError('quota_exceeded', `No run waits for this event, and the collection keeps ${what} already`, {
    hint: `Send it once a run waits, discard kept events (jetty events discard), or raise ${setting}.`,
  })
}
