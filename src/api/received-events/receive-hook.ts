import { AppError } from '../../lib/errors.ts'
import { isObject } from '../../lib/json/json-object.ts'
import { now } from '../../lib/time.ts'
import { type CallbackAnswer, eventIdSchema, eventKeySchema } from '../../model/events/event.ts'
import type { EventHook } from '../../model/events/event-hook.ts'
import type { NewEvent, ReceivedEventRow } from '../../model/events/event-row.ts'
import { type ReceivedWebhook, signatureProblem, signatureSchemes } from './webhook-schemes.ts'

/** What a hook receives, and what it is handed on with. */
interface HookCall {
  hook: EventHook
  webhook: ReceivedWebhook
  payload: unknown
  /** The signing secret; undefined if the variable has no value. */
  secret: string | undefined
  keepSeconds: number
  send(event: NewEvent): Promise<{ event: ReceivedEventRow; duplicate: boolean }>
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
export const receiveHook = async (call: HookCall): Promise<CallbackAnswer> => {
  const { hook, webhook, payload, secret, keepSeconds, send } = call
  if (!secret) throw new AppError('unauthenticated', `The collection has no variable '${hook.secret}' to check with`)
  const problem = signatureProblem(hook.scheme, secret, webhook, now())
  if (problem !== undefined) throw new AppError('unauthenticated', problem)
  const { id, isTrial } = signatureSchemes[hook.scheme]
  if (isTrial?.(webhook, payload)) {
    const challenge = isObject(payload) ? payload.challenge : undefined
    return ignored('It only tries the URL', typeof challenge === 'string' ? { challenge } : {})
  }
  const key = eventKeySchema.safeParse(textAt(payload, hook.keyPath))
  if (!key.success) return ignored(`The payload has no correlation key at '${hook.keyPath}'`)
  const { collectionId, event } = hook
  const eventId = eventIdSchema.safeParse(id?.(webhook, payload)).data ?? null
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
