import type { IncomingHttpHeaders } from 'node:http'
import type { Database } from '../../database/database.ts'
import type { Engine } from '../../engine/engine.ts'
import { implement, type Route } from '../../http/implement.ts'
import { AppError, invalidField } from '../../lib/errors.ts'
import type { CallbackTarget } from '../../lib/secrets/callback-token.ts'
import type { Settings } from '../../lib/settings/config.ts'
import { authorOf } from '../../model/collections/identity.ts'
import { eventIdSchema } from '../../model/events/event.ts'
import type { EventLimits } from '../../model/events/event-row.ts'
import { findCallbackRun } from '../../store/events/callbacks.ts'
import { listedEvents, listedEventWaits } from '../../store/events/event-lists.ts'
import { discardEvent } from '../../store/events/events.ts'
import { receivedEventsContract } from './contract.ts'
import { shownEvent, shownEventWait } from './shown.ts'

export interface ReceivedEventsDeps {
  database: Database
  engine: Engine
  settings: Pick<Settings, 'eventBytes' | 'eventKeepSeconds' | 'keptEvents' | 'keptEventBytes'>
  links: { readonly publicUrl: string }
  callbacks: { read(token: string): CallbackTarget | undefined }
}

export const receivedEventsRoutes = ({ database, engine, settings, links, callbacks }: ReceivedEventsDeps): Route[] => {
  const { eventBytes: bytes, keptEvents, keptEventBytes: keptBytes } = settings
  const limits: EventLimits = { bytes, keptEvents, keptBytes }

  return implement(receivedEventsContract, {
    sendEvent: async ({ collection, body, identity }) => {
      const { event, key, payload = {}, id = null, keep_for_sec: keepSeconds = settings.eventKeepSeconds } = body
      if (keepSeconds > settings.eventKeepSeconds) {
        const most = `At most ${settings.eventKeepSeconds} seconds are allowed (JETTY_EVENT_KEEP_SECONDS)`
        throw invalidField(['body', 'keep_for_sec'], most, 'too_big')
      }
      const to = { collectionId: collection.id, event, key, runKey: null }
      const sent = await engine.sendEvent(
        { ...to, eventId: id, payload, sentBy: authorOf(identity), keepSeconds },
        limits,
      )
      return { ...shownEvent(sent.event), duplicate: sent.duplicate }
    },

    sendCallback: async ({ params, body, headers }) => {
      const target = callbacks.read(params.token)
      const run = target && (await findCallbackRun(database, target.runKey))
      if (!run)
        throw new AppError('not_found', 'Callback not found', { hint: 'Use the URL as it was given, unchanged.' })
      const { collection_id: collectionId, trajectory_id: key } = run
      const sent = await engine.sendEvent(
        {
          ...{ collectionId, event: target.step, key, runKey: target.runKey },
          eventId: callbackId(headers),
          payload: body ?? {},
          sentBy: 'callback',
          keepSeconds: settings.eventKeepSeconds,
        },
        limits,
      )
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
  })
}

/** Headers in which senders of webhooks give an id to a delivery that they repeat. */
const idHeaders = ['idempotency-key', 'webhook-id'] as const

const callbackId = (headers: IncomingHttpHeaders): string | null => {
  const name = idHeaders.find((one) => headers[one] !== undefined)
  if (name === undefined) return null
  const id = eventIdSchema.safeParse(String(headers[name]))
  if (id.success) return id.data
  throw invalidField(['header', name], id.error.issues[0]?.message ?? 'It is no event id')
}
