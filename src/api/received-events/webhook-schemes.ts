import { createHmac } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { isObject } from '../../lib/json/json-object.ts'
import { sameText } from '../../lib/secrets/crypto.ts'
import type { WebhookScheme } from '../../model/events/event-hook.ts'

/** A webhook as it came. */
export interface ReceivedWebhook {
  headers: IncomingHttpHeaders
  /** Its body as it was sent, which is what is signed. */
  text: string
}

interface SignatureScheme {
  /** Header that has the signature. */
  header: string
  /** When it was signed, in seconds since 1970; undefined where the scheme does not say. */
  signedAt?(webhook: ReceivedWebhook): string | undefined
  /** The signatures that it may have. */
  given(webhook: ReceivedWebhook): string[]
  expected(secret: string, webhook: ReceivedWebhook): string
  /** The sender's id of the event, where it is signed. Without one the payload tells events apart. */
  id?(webhook: ReceivedWebhook, payload: unknown): unknown
  /** Whether it only tries the URL. */
  isTrial?(webhook: ReceivedWebhook, payload: unknown): boolean
}

const headerOf = ({ headers }: ReceivedWebhook, name: string): string => String(headers[name] ?? '')
const hexOf = (secret: string, text: string): string => createHmac('sha256', secret).update(text).digest('hex')
const member = (payload: unknown, name: string): unknown =>
  isObject(payload) && Object.hasOwn(payload, name) ? payload[name] : undefined

/** Values of one name in `t=1,v1=a,v1=b`. */
const partsOf = (text: string, name: string): string[] =>
  text.split(',').flatMap((part) => (part.trim().startsWith(`${name}=`) ? [part.trim().slice(name.length + 1)] : []))

const stripeTime = (webhook: ReceivedWebhook): string => partsOf(headerOf(webhook, 'stripe-signature'), 't')[0] ?? ''

/** How each service signs: docs.stripe.com/webhooks, docs.github.com/webhooks, api.slack.com/authentication, standardwebhooks.com. */
export const signatureSchemes: Record<WebhookScheme, SignatureScheme> = {
  stripe: {
    header: 'stripe-signature',
    signedAt: stripeTime,
    given: (webhook) => partsOf(headerOf(webhook, 'stripe-signature'), 'v1'),
    expected: (secret, webhook) => hexOf(secret, `${stripeTime(webhook)}.${webhook.text}`),
    id: (_, payload) => member(payload, 'id'),
  },
  // The id of a delivery is a header and not signed, so the payload tells events apart.
  github: {
    header: 'x-hub-signature-256',
    given: (webhook) => partsOf(headerOf(webhook, 'x-hub-signature-256'), 'sha256'),
    expected: (secret, { text }) => hexOf(secret, text),
    isTrial: (webhook) => headerOf(webhook, 'x-github-event') === 'ping',
  },
  slack: {
    header: 'x-slack-signature',
    signedAt: (webhook) => headerOf(webhook, 'x-slack-request-timestamp'),
    given: (webhook) => partsOf(headerOf(webhook, 'x-slack-signature'), 'v0'),
    expected: (secret, webhook) =>
      hexOf(secret, `v0:${headerOf(webhook, 'x-slack-request-timestamp')}:${webhook.text}`),
    id: (_, payload) => member(payload, 'event_id'),
    isTrial: (_, payload) => member(payload, 'type') === 'url_verification',
  },
  'standard-webhooks': {
    header: 'webhook-signature',
    signedAt: (webhook) => headerOf(webhook, 'webhook-timestamp'),
    given: (webhook) =>
      headerOf(webhook, 'webhook-signature')
        .split(' ')
        .flatMap((one) => (one.startsWith('v1,') ? [one.slice(3)] : [])),
    expected: (secret, webhook) =>
      createHmac('sha256', Buffer.from(secret.replace(/^whsec_/, ''), 'base64'))
        .update(`${headerOf(webhook, 'webhook-id')}.${headerOf(webhook, 'webhook-timestamp')}.${webhook.text}`)
        .digest('base64'),
    id: (webhook) => headerOf(webhook, 'webhook-id'),
  },
}

/** Webhooks that were signed longer ago, or later than now, are refused: somebody may repeat one that was overheard. */
const toleranceSeconds = 300

/** Why the signature of a webhook does not hold; undefined if it does. */
export const signatureProblem = (
  scheme: WebhookScheme,
  secret: string,
  webhook: ReceivedWebhook,
  nowMs: number,
): string | undefined => {
  const { header, signedAt, given, expected } = signatureSchemes[scheme]
  const signatures = given(webhook)
  if (signatures.length === 0) return `The header ${header} has no signature`
  const right = expected(secret, webhook)
  if (!signatures.some((one) => sameText(one, right))) return `The signature in ${header} does not fit the body`
  const seconds = signedAt?.(webhook)
  if (seconds === undefined) return undefined
  const isRecent = /^\d{1,12}$/.test(seconds) && Math.abs(nowMs / 1000 - Number(seconds)) <= toleranceSeconds
  return isRecent ? undefined : `It was signed more than ${toleranceSeconds / 60} minutes before or after now`
}
