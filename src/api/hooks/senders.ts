import { createHmac } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import type { BeforeBody } from '../../http/implement.ts'
import { isObject } from '../../lib/json/json-object.ts'
import { sameText } from '../../lib/secrets/crypto.ts'
import type { WebhookScheme } from '../../model/events/event-hook.ts'

/** A webhook as it came. */
export interface ReceivedWebhook {
  headers: IncomingHttpHeaders
  /** Its body as it was sent: the sender signs these bytes. */
  body: string | Uint8Array
}

/** How a service signs its webhooks, and where they say what they are. */
export interface SignatureScheme {
  /** Header that has the signature. */
  header: string
  /** The signatures that it may have. */
  given(webhook: ReceivedWebhook): string[]
  /** What one of them has to be. */
  expected(secret: string, webhook: ReceivedWebhook): string[]
  /** When it was signed, in seconds since 1970; missing where the scheme does not say. */
  signedAt?(webhook: ReceivedWebhook, payload: unknown): string | undefined
  /** Webhooks signed longer ago, or later than now, are refused: somebody may repeat one that was overheard. */
  toleranceSeconds?: number
  /** The id of the delivery. */
  id?(webhook: ReceivedWebhook, payload: unknown): unknown
  /** Whether `id` is signed, too. Otherwise somebody may repeat a webhook under another id. */
  isIdSigned?: boolean
  /** What the sender calls the kind of event. */
  event?(webhook: ReceivedWebhook, payload: unknown): unknown
  /** Whether it only tries the URL. */
  isTrial?(webhook: ReceivedWebhook, payload: unknown): boolean
}

const headerOf = ({ headers }: ReceivedWebhook, name: string): string => String(headers[name] ?? '')
const hmacOf = (secret: string | Buffer, before: string, { body }: ReceivedWebhook, encoding: 'hex' | 'base64') =>
  createHmac('sha256', secret).update(before).update(body).digest(encoding)
const hexOf = (secret: string, before: string, webhook: ReceivedWebhook): string[] => [
  hmacOf(secret, before, webhook, 'hex'),
]
const member = (payload: unknown, name: string): unknown =>
  isObject(payload) && Object.hasOwn(payload, name) ? payload[name] : undefined

/** Values of one name in `t=1,v1=a,v1=b`. */
const partsOf = (text: string, name: string): string[] =>
  text.split(',').flatMap((part) => (part.trim().startsWith(`${name}=`) ? [part.trim().slice(name.length + 1)] : []))

const stripeTime = (webhook: ReceivedWebhook): string => partsOf(headerOf(webhook, 'stripe-signature'), 't')[0] ?? ''

const usualToleranceSeconds = 300

/**
 * How each service signs: docs.stripe.com/webhooks, docs.github.com/webhooks, docs.slack.dev/authentication,
 * linear.app/developers/webhooks, standardwebhooks.com.
 */
export const signatureSchemes: Record<WebhookScheme | 'linear', SignatureScheme> = {
  stripe: {
    header: 'stripe-signature',
    given: (webhook) => partsOf(headerOf(webhook, 'stripe-signature'), 'v1'),
    expected: (secret, webhook) => hexOf(secret, `${stripeTime(webhook)}.`, webhook),
    signedAt: stripeTime,
    id: (_, payload) => member(payload, 'id'),
    isIdSigned: true,
    event: (_, payload) => member(payload, 'type'),
  },
  // It signs no time.
  github: {
    header: 'x-hub-signature-256',
    given: (webhook) => partsOf(headerOf(webhook, 'x-hub-signature-256'), 'sha256'),
    expected: (secret, webhook) => hexOf(secret, '', webhook),
    id: (webhook) => headerOf(webhook, 'x-github-delivery'),
    event: (webhook) => headerOf(webhook, 'x-github-event'),
    isTrial: (webhook) => headerOf(webhook, 'x-github-event') === 'ping',
  },
  slack: {
    header: 'x-slack-signature',
    given: (webhook) => partsOf(headerOf(webhook, 'x-slack-signature'), 'v0'),
    expected: (secret, webhook) => hexOf(secret, `v0:${headerOf(webhook, 'x-slack-request-timestamp')}:`, webhook),
    signedAt: (webhook) => headerOf(webhook, 'x-slack-request-timestamp'),
    id: (_, payload) => member(payload, 'event_id') ?? member(payload, 'trigger_id'),
    isIdSigned: true,
    event: (_, payload) =>
      member(member(payload, 'event'), 'type') ?? member(payload, 'command') ?? member(payload, 'type'),
    isTrial: (_, payload) => member(payload, 'type') === 'url_verification',
  },
  linear: {
    header: 'linear-signature',
    given: (webhook) => [headerOf(webhook, 'linear-signature')].filter(Boolean),
    expected: (secret, webhook) => hexOf(secret, '', webhook),
    signedAt: (_, payload) => String(Math.floor(Number(member(payload, 'webhookTimestamp')) / 1000)),
    toleranceSeconds: 60,
    id: (webhook) => headerOf(webhook, 'linear-delivery'),
    event: (_, payload) => member(payload, 'type'),
  },
  'standard-webhooks': {
    header: 'webhook-signature',
    given: (webhook) =>
      headerOf(webhook, 'webhook-signature')
        .split(' ')
        .flatMap((one) => (one.startsWith('v1,') ? [one.slice(3)] : [])),
    expected: (secret, webhook) => {
      const before = `${headerOf(webhook, 'webhook-id')}.${headerOf(webhook, 'webhook-timestamp')}.`
      return [hmacOf(Buffer.from(secret.replace(/^whsec_/, ''), 'base64'), before, webhook, 'base64')]
    },
    signedAt: (webhook) => headerOf(webhook, 'webhook-timestamp'),
    id: (webhook) => headerOf(webhook, 'webhook-id'),
    isIdSigned: true,
    event: (_, payload) => member(payload, 'type'),
  },
}

/** The scheme of a service that puts an HMAC-SHA256 of the body into a header, in hex or base64. It signs no time. */
export const plainScheme = (header: string, deliveryHeader: string | null): SignatureScheme => ({
  header,
  given: (webhook) => [headerOf(webhook, header).replace(/^sha256=/, '')].filter(Boolean),
  expected: (secret, webhook) => [...hexOf(secret, '', webhook), hmacOf(secret, '', webhook, 'base64')],
  ...(deliveryHeader !== null && { id: (webhook) => headerOf(webhook, deliveryHeader) }),
  event: (_, payload) => member(payload, 'type'),
})

/** Why no secret fits the signature of a webhook; undefined if one does. Compares in constant time. */
export const signatureProblem = (
  { header, given, expected }: SignatureScheme,
  secrets: readonly string[],
  webhook: ReceivedWebhook,
): string | undefined => {
  const signatures = given(webhook)
  if (signatures.length === 0) return `The header ${header} has no signature`
  const right = secrets.flatMap((secret) => expected(secret, webhook))
  const isRight = signatures.some((one) => right.some((other) => sameText(one, other)))
  return isRight ? undefined : `The signature in ${header} does not fit the body`
}

/** Why the time at which a webhook was signed does not do; undefined if it does, or the scheme signs none. */
export const signedTimeProblem = (
  { signedAt, toleranceSeconds = usualToleranceSeconds }: SignatureScheme,
  webhook: ReceivedWebhook,
  payload: unknown,
  nowMs: number,
): string | undefined => {
  if (!signedAt) return undefined
  const seconds = signedAt(webhook, payload) ?? ''
  const isRecent = /^\d{1,12}$/.test(seconds) && Math.abs(nowMs / 1000 - Number(seconds)) <= toleranceSeconds
  const tolerance = toleranceSeconds === 60 ? 'a minute' : `${toleranceSeconds / 60} minutes`
  return isRecent ? undefined : `It was signed more than ${tolerance} before or after now`
}

/**
 * Reads a form, which Slack and GitHub can send: its fields, or the JSON of a lone field `payload`. Undefined for other
 * bodies; `curl --data` calls JSON a form.
 */
export const formValue: NonNullable<BeforeBody['read']> = (text, headers, parse) => {
  if (!headers['content-type']?.startsWith('application/x-www-form-urlencoded') || /^\s*[[{]/.test(text))
    return undefined
  const fields = Object.fromEntries(new URLSearchParams(text))
  const { payload, ...others } = fields
  return payload === undefined || Object.keys(others).length > 0 ? fields : parse(payload)
}
