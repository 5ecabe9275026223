import type { IncomingHttpHeaders } from 'node:http'
import type { Hooks } from '../../background/hooks/hooks.ts'
import type { Engine } from '../../engine/engine.ts'
import { type BeforeBody, type Handlers, implement, type Route } from '../../http/implement.ts'
import { AppError, invalidField } from '../../lib/errors.ts'
import { isObject } from '../../lib/json/json-object.ts'
import type { CallbackTarget } from '../../lib/secrets/callback-token.ts'
import type { Sealer } from '../../lib/secrets/crypto.ts'
import { makeScrubber } from '../../lib/secrets/scrub.ts'
import type { Settings } from '../../lib/settings/config.ts'
import { readTrace } from '../../lib/text/trace-context.ts'
import { now } from '../../lib/time.ts'
import { authorOf } from '../../model/collections/identity.ts'
import {
  type CallbackAnswer,
  eventIdSchema,
  eventKeySchema,
  eventWaitSchema,
  receivedEventSchema,
  type ShownEvent,
  type ShownEventWait,
} from '../../model/events/event.ts'
import type { EventHook } from '../../model/events/event-hook.ts'
import type { EventLimits, EventTaker, NewEvent, ReceivedEventRow } from '../../model/events/sent-event.ts'
import { readEnvironment } from '../../store/collections/environments.ts'
import type { Database } from '../../store/database/database.ts'
import {
  discardEvent,
  type EventWaitOfRun,
  findCallbackRun,
  listedEvents,
  listedEventWaits,
} from '../../store/events/events.ts'
import { hasEventHooks } from '../../store/hooks.ts'
import {
  formValue,
  type ReceivedWebhook,
  signatureProblem,
  signatureSchemes,
  signedTimeProblem,
} from '../hooks/senders.ts'
import { serializeRow } from '../serialize-row.ts'
import { receivedEventsContract } from './contract.ts'

/** What a hook receives, and what it is handed on with. */
interface HookCall {
  hook: EventHook
  webhook: ReceivedWebhook
  payload: unknown
  /** The signing secret; undefined if the variable has no value. */
  secret: string | undefined
  keepSeconds: number
  send(event: Omit<NewEvent, 'hookPayload'>): Promise<{ event: ReceivedEventRow; duplicate: boolean }>
}

const ignored = (reason: string, more: Partial<CallbackAnswer> = {}): CallbackAnswer => ({
  state: 'ignored',
  duplicate: false,
  reason,
  ...more,
})

/**
 * Hands a webhook on as an event. Throws `unauthenticated` if its signature does not hold. What no run can take is answered
 * with 200 and a reason: services repeat for days what gets an error, and then turn the hook off.
 */
const receiveHook = async (call: HookCall): Promise<CallbackAnswer> => {
  const { hook, webhook, payload, secret, keepSeconds, send } = call
  if (!secret) throw new AppError('unauthenticated', `The collection has no variable '${hook.secret}' to check with`)
  const scheme = signatureSchemes[hook.scheme]
  const problem = signatureProblem(scheme, [secret], webhook) ?? signedTimeProblem(scheme, webhook, payload, now())
  if (problem !== undefined) throw new AppError('unauthenticated', problem)
  const { id, isIdSigned, isTrial } = scheme
  if (isTrial?.(webhook, payload)) {
    const challenge = isObject(payload) ? payload.challenge : undefined
    return ignored('It only tries the URL', typeof challenge === 'string' ? { challenge } : {})
  }
  const key = eventKeySchema.safeParse(textAt(payload, hook.keyPath))
  if (!key.success) return ignored(`The payload has no correlation key at '${hook.keyPath}'`)
  const { collectionId, event } = hook
  const eventId = eventIdSchema.safeParse(isIdSigned && id?.(webhook, payload)).data ?? null
  const to = { collectionId, event, key: key.data, runKey: null }
  try {
    const sent = await send({ ...to, eventId, payload, sentBy: `hook:${hook.scheme}`, keepSeconds })
    return { state: sent.event.state, duplicate: sent.duplicate }
  } catch (error) {
    // Sent again, an event may differ in what the sender knows by then: that is a conflict.
    if (!(error instanceof AppError) || (error.code !== 'conflict' && error.code !== 'invalid')) throw error
    return ignored(error.message, { duplicate: error.code === 'conflict' })
  }
}

/** The text or number at a path of own members and indexes. */
const textAt = (payload: unknown, path: string): string | undefined => {
  let value = payload
  for (const name of path.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined
    value = (value as Record<string, unknown>)[name]
  }
  return typeof value === 'string' || typeof value === 'number' ? String(value) : undefined
}

/** Converts a received event for an answer. */
const shownEvent = (row: ReceivedEventRow): ShownEvent =>
  serializeRow(receivedEventSchema, row, {
    callback: row.run_id !== null,
    id: row.event_id,
    taken_by: row.taken_by === null ? null : (JSON.parse(row.taken_by) as EventTaker),
  })

/** Converts a step that waits for an event for the list of its collection. */
const shownEventWait = (row: EventWaitOfRun, publicUrl: string): ShownEventWait =>
  serializeRow(eventWaitSchema, row, {
    task: row.name.slice(row.name.indexOf('/') + 1),
    output_schema: row.payload_schema === null ? null : (JSON.parse(row.payload_schema) as Record<string, unknown>),
    url: `${publicUrl}/${row.name}/${row.trajectory_id}`,
  })

interface ReceivedEventsDeps {
  database: Database
  engine: Engine
  settings: Pick<Settings, 'eventBytes' | 'eventKeepSeconds' | 'keptEvents' | 'keptEventBytes'>
  hooks: Pick<Hooks, 'wake'>
  links: { readonly publicUrl: string }
  sealer: Pick<Sealer, 'open'>
  callbacks: {
    read(token: string): CallbackTarget | undefined
    hookToken(hook: EventHook): string
    readHook(token: string): EventHook | undefined
    url(token: string): string
  }
}

export const receivedEventsRoutes = (deps: ReceivedEventsDeps): Route[] => {
  const { database, engine, settings, hooks, links, callbacks, sealer } = deps
  const { eventBytes: bytes, keptEvents, keptEventBytes: keptBytes } = settings
  const limits: EventLimits = { bytes, keptEvents, keptBytes }

  /** Gives an event to the step that waits for it, and to the hooks that start runs for its name. */
  const sendToAll = async (given: Omit<NewEvent, 'hookPayload'>) => {
    const { collectionId, event, payload } = given
    const isHooked = given.runKey === null && (await hasEventHooks(database, collectionId, event))
    const hookPayload = isHooked
      ? makeScrubber([...(await readEnvironment(database, sealer, collectionId))]).json(payload)
      : null
    const sent = await engine.sendEvent({ ...given, hookPayload }, limits)
    if (isHooked && !sent.duplicate) hooks.wake()
    return sent
  }

  const targetOf = ({ token = '' }: { token?: string }): CallbackTarget | EventHook => {
    const target = callbacks.read(token) ?? callbacks.readHook(token)
    if (!target) throw unknownCallback()
    return target
  }

  const handlers: Handlers<typeof receivedEventsContract> = {
    sendEvent: async ({ collection, body, identity, headers }) => {
      const { event, key, payload = {}, id = null, keep_for_sec: keepSeconds = settings.eventKeepSeconds } = body
      if (keepSeconds > settings.eventKeepSeconds) {
        const most = `At most ${settings.eventKeepSeconds} seconds are allowed (JETTY_EVENT_KEEP_SECONDS)`
        throw invalidField(['body', 'keep_for_sec'], most, 'too_big')
      }
      const to = { collectionId: collection.id, event, key, runKey: null }
      const trace = readTrace(headers)
      const sent = await sendToAll({ ...to, eventId: id, payload, sentBy: authorOf(identity), trace, keepSeconds })
      return { ...shownEvent(sent.event), duplicate: sent.duplicate }
    },

    createEventHook: async ({ collection, body, note }) => {
      const { scheme, event, key_path } = body
      const secret = body.secret.replace(/^env\./, '')
      if (!(await readEnvironment(database, sealer, collection.id)).get(secret)) {
        const problem = `The collection has no variable '${secret}'. Set it to the signing secret of the service first`
        throw invalidField(['body', 'secret'], problem, 'unknown_variable')
      }
      note({ target: `${collection.name}/hook ${event}` })
      const token = callbacks.hookToken({ collectionId: collection.id, scheme, secret, event, keyPath: key_path })
      return { scheme, secret, event, key_path, url: callbacks.url(token) }
    },

    sendCallback: async ({ params, body, bodyText: text, headers }) => {
      const target = targetOf(params)
      if ('scheme' in target) {
        return receiveHook({
          ...{
            hook: target,
            webhook: { headers, body: text },
            payload: body ?? {},
            keepSeconds: settings.eventKeepSeconds,
          },
          secret: (await readEnvironment(database, sealer, target.collectionId)).get(target.secret),
          send: sendToAll,
        })
      }
      const run = await findCallbackRun(database, target.runKey)
      if (!run) throw unknownCallback()
      const { collection_id: collectionId, trajectory_id: key } = run
      const sent = await sendToAll({
        ...{ collectionId, event: target.step, key, runKey: target.runKey },
        eventId: callbackId(headers),
        payload: body ?? {},
        sentBy: 'callback',
        keepSeconds: settings.eventKeepSeconds,
      })
      return { state: sent.event.state, duplicate: sent.duplicate }
    },

    listEvents: async ({ collection, query: { state, cursor, limit } }) => {
      const before = cursor === undefined ? undefined : Number(cursor)
      const rows = await listedEvents(database, collection.id, { state, before, limit: limit + 1 })
      const page = rows.slice(0, limit)
      const more = rows.length > limit
      return {
        events: page.map(shownEvent),
        next_cursor: more ? String(page.at(-1)?.number) : null,
        has_more: more,
      }
    },

    discardEvent: async ({ collection, params, note }) => {
      note({ target: `${collection.name}/event ${params.number}` })
      const isNumber = /^\d{1,15}$/.test(params.number)
      if (isNumber && (await discardEvent(database, collection.id, Number(params.number)))) return { ok: true }
      throw new AppError('not_found', `Event ${params.number} is not kept`, {
        hint: 'It was delivered, has expired, or never came. List events with: jetty events list',
      })
    },

    listEventWaits: async ({ collection, query: { cursor, limit } }) => {
      const rows = await listedEventWaits(database, collection.id, { after: Number(cursor ?? 0), limit: limit + 1 })
      const page = rows.slice(0, limit)
      const more = rows.length > limit
      return {
        waits: page.map((row) => shownEventWait(row, links.publicUrl)),
        next_cursor: more ? String(page.at(-1)?.number) : null,
        has_more: more,
      }
    },
  }
  // Anyone can send a body here, so nothing is read for a URL that was not signed.
  const callback: BeforeBody = {
    maxBytes: bodyBytesOf(bytes),
    admit({ params, headers }) {
      if (!('scheme' in targetOf(params))) callbackId(headers)
    },
    read: formValue,
  }
  return implement(receivedEventsContract, handlers, { sendCallback: callback })
}

/** Bytes of the body of a callback: its payload is measured without the white space and escapes that a sender may use. */
const bodyBytesOf = (payloadBytes: number): number => 2 * payloadBytes

const unknownCallback = (): AppError =>
  new AppError('not_found', 'Callback not found', { hint: 'Use the URL as it was given, unchanged.' })

/** Headers in which senders of webhooks give an id to a delivery that they repeat. */
const idHeaders = ['idempotency-key', 'webhook-id'] as const

const callbackId = (headers: IncomingHttpHeaders): string | null => {
  const name = idHeaders.find((one) => headers[one] !== undefined)
  if (name === undefined) return null
  const id = eventIdSchema.safeParse(String(headers[name]))
  if (id.success) return id.data
  throw invalidField(['header', name], id.error.issues[0]?.message ?? 'It is no event id')
}
