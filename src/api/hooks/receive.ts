import { createHash } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import type { Hooks } from '../../background/hooks/hooks.ts'
import type { Environment } from '../../engine/environment/environment.ts'
import { dataFactor, decodeText, type JsonReading, parseJson } from '../../http/input/body.ts'
import type { Room } from '../../http/input/memory.ts'
import { AppError } from '../../lib/errors.ts'
import { isObject } from '../../lib/json/json-object.ts'
import type { Sealer } from '../../lib/secrets/crypto.ts'
import { byteSize } from '../../lib/settings/byte-size.ts'
import { readTrace } from '../../lib/text/trace-context.ts'
import { now } from '../../lib/time.ts'
import { eventIdSchema } from '../../model/events/event.ts'
import type { HookSender, ReceivedDelivery } from '../../model/hook.ts'
import type { Quota } from '../../store/collections/quota.ts'
import type { Database } from '../../store/database/database.ts'
import {
  countRefused,
  countWaiting,
  findDeliveryById,
  findHookByUrl,
  type HookReceiver,
  insertDelivery,
  isHookUrl,
} from '../../store/hooks.ts'
import { hookFormerSecretSeal, hookSecretSeal } from '../../store/secrets/sealed-texts.ts'
import {
  formValue,
  plainScheme,
  type ReceivedWebhook,
  type SignatureScheme,
  signatureProblem,
  signatureSchemes,
  signedTimeProblem,
} from './senders.ts'

export interface ReceiveDeps {
  database: Database
  sealer: Pick<Sealer, 'open'>
  quota: Pick<Quota, 'add' | 'require'>
  hooks: Pick<Hooks, 'wake'>
  environmentOf(id: number | null, lent: readonly string[]): Environment | Promise<Environment>
  settings: { hookWaiting: number; hookKeptBytes: number; maxBodyValues: number }
}

const schemes: Record<Exclude<HookSender, 'event'>, SignatureScheme> = {
  ...signatureSchemes,
  generic: signatureSchemes['standard-webhooks'],
}

/** The signature scheme of a hook; undefined for one without a URL. */
const schemeOf = ({ sender, signature_header, delivery_header }: HookReceiver): SignatureScheme | undefined => {
  if (sender === 'event') return undefined
  return signature_header === null ? schemes[sender] : plainScheme(signature_header, delivery_header)
}

const unknownHook = (): AppError =>
  new AppError('not_found', 'Hook not found', { hint: 'Use the URL of the hook unchanged: jetty hooks get' })

const urlIdPattern = /^[\w-]{32}$/

/** Throws the 404 for a URL that leads to no hook: nothing of its body is read. */
export const requireHookUrl = async (database: Database, urlId: string): Promise<void> => {
  if (!urlIdPattern.test(urlId) || !(await isHookUrl(database, urlId))) throw unknownHook()
}

/** The secrets that hold now. */
const secretsOf = (sealer: Pick<Sealer, 'open'>, hook: HookReceiver): string[] => {
  const { id, sealed_secret: current, sealed_former_secret: former, former_until: until } = hook
  return [
    ...(current === null ? [] : [sealer.open(current, hookSecretSeal(id))]),
    ...(former !== null && until && until.getTime() > now() ? [sealer.open(former, hookFormerSecretSeal(id))] : []),
  ]
}

const flushMs = 1_000

/**
 * Counts refused requests by hook, and writes them down once a second: whoever has the URL can send as many as they like,
 * and shall not write as often. A process that is killed loses those of its last second.
 */
const makeRefusals = (database: Database) => {
  const counts = new Map<number, { count: number; reason: string }>()
  const flush = async () => {
    const all = [...counts]
    counts.clear()
    for (const [id, { count, reason }] of all) await countRefused(database, id, count, reason)
  }
  return (hookId: number, reason: string): AppError => {
    if (counts.size === 0) setTimeout(() => void flush().catch(() => {}), flushMs).unref()
    counts.set(hookId, { count: (counts.get(hookId)?.count ?? 0) + 1, reason })
    return new AppError('unauthenticated', reason)
  }
}

/** Reads a body as JSON text and as its value: JSON, or a form. */
const readPayload = async (
  bytes: Buffer,
  headers: IncomingHttpHeaders,
  reading: Omit<JsonReading, 'contentType'>,
): Promise<{ text: string; value: unknown }> => {
  const text = decodeText(bytes)
  if (text.trim() === '') return { text: '{}', value: {} }
  const parse = (json: string) => parseJson(json, { contentType: headers['content-type'] ?? '', ...reading })
  const form: unknown = await formValue(text, headers, parse)
  return form === undefined ? { text, value: await parse(text) } : { text: JSON.stringify(form), value: form }
}

const mostEventCharacters = 200

/** What the sender calls the event, as a text on one line. */
const eventText = (given: unknown): string | null => {
  if (typeof given !== 'string') return null
  const text = given.replace(/[^\x20-\x7e]+/g, ' ').trim()
  return text === '' ? null : text.slice(0, mostEventCharacters)
}

/** The names by which a delivery is known again. */
const namesOf = ({ id, isIdSigned }: SignatureScheme, webhook: ReceivedWebhook, payload: unknown) => {
  const hash = createHash('sha256').update(webhook.body).digest('hex')
  const deliveryId = eventIdSchema.safeParse(id?.(webhook, payload)).data ?? `sha256:${hash}`
  return { deliveryId, bodyHash: isIdSigned ? null : hash }
}

interface HookRequest {
  urlId: string
  headers: IncomingHttpHeaders
  bytes: Buffer
  room: Room
}

const trialReason = 'It only tries the URL'

/** Stores what another service has sent, and answers; its run starts afterwards. */
export const makeReceive = ({ database, sealer, quota, hooks, environmentOf, settings }: ReceiveDeps) => {
  const refused = makeRefusals(database)

  const knownDelivery = async (hook: HookReceiver, deliveryId: string): Promise<ReceivedDelivery | undefined> => {
    const known = await findDeliveryById(database, hook.id, deliveryId)
    if (!known) return undefined
    return { state: known.state, delivery: known.number, duplicate: true, trajectory_id: known.trajectory_id }
  }

  const requireRoom = async (hook: HookReceiver): Promise<void> => {
    await quota.require(hook.collection_id, 0)
    const { hookWaiting: most, hookKeptBytes: mostBytes } = settings
    const { waiting, bytes } = await countWaiting(database, hook.id, most)
    if (waiting < most && bytes < mostBytes) return
    const [what, variable] =
      waiting >= most
        ? [`${most} deliveries`, 'JETTY_HOOK_WAITING']
        : [`Deliveries of ${byteSize(bytes)}`, 'JETTY_HOOK_KEPT_BYTES']
    throw new AppError('busy', `${what} of this hook wait for their run already`, {
      hint: `Send it again later, or raise ${variable}.`,
      retryAfterSeconds: 60,
    })
  }

  return async ({ urlId, headers, bytes, room }: HookRequest): Promise<ReceivedDelivery> => {
    const hook = await findHookByUrl(database, urlId)
    const scheme = hook && schemeOf(hook)
    if (!scheme) throw unknownHook()
    const webhook = { headers, body: bytes }
    const secrets = secretsOf(sealer, hook)
    const problem = secrets.length === 0 ? 'The hook has no secret yet' : signatureProblem(scheme, secrets, webhook)
    if (problem !== undefined) throw refused(hook.id, problem)
    const mostValues = settings.maxBodyValues * dataFactor
    const payload = await readPayload(bytes, headers, { mostValues, owner: String(hook.collection_id), room })
    const late = signedTimeProblem(scheme, webhook, payload.value, now())
    if (late !== undefined) throw refused(hook.id, late)

    const isTrial = scheme.isTrial?.(webhook, payload.value) ?? false
    if (isTrial && isObject(payload.value) && typeof payload.value.challenge === 'string') {
      const { challenge } = payload.value
      return { state: 'ignored', delivery: null, duplicate: false, trajectory_id: null, challenge }
    }
    const names = namesOf(scheme, webhook, payload.value)
    const known = await knownDelivery(hook, names.deliveryId)
    if (known) return known
    await requireRoom(hook)
    const { scrub } = await environmentOf(hook.environment_id, [])
    const event = eventText(scheme.event?.(webhook, payload.value))
    const stored = await insertDelivery(database, {
      ...{ hookId: hook.id, ...names, event, ignored: isTrial ? trialReason : null },
      trace: readTrace(headers),
      payload: scrub.jsonText(payload.text),
    })
    if (!stored) {
      const twin = await knownDelivery(hook, names.deliveryId) // it was sent twice at once
      if (twin) return twin
      if (!(await findHookByUrl(database, urlId))) throw unknownHook()
      throw refused(hook.id, 'This body and signature were received before, under another delivery id')
    }
    quota.add(hook.collection_id, { databaseBytes: Buffer.byteLength(payload.text) })
    hooks.wake()
    return { state: stored.state, delivery: stored.number, duplicate: false, trajectory_id: null }
  }
}
