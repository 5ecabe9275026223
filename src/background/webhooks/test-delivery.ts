import { messageOf } from '../../lib/errors.ts'
import { requireAllowedHost } from '../../lib/net/hosts.ts'
import type { Open } from '../../lib/net/open.ts'
import { webhookRequest } from './request.ts'
import { sendWebhook } from './send.ts'

/** A delivery that no run asked for: it shows whether a receiver answers, and how it is signed. */
export interface TestDelivery {
  collection: { id: number; name: string; payer: number }
  url: string
  secret: string | null
  /** Hosts that the collection may reach; undefined: all. */
  allowedHosts: readonly string[] | undefined
}

export interface TestedDelivery {
  statusCode: number | null
  /** Why it was not delivered; null: it was. */
  error: string | null
  durationMs: number
  /** Headers as they were sent. */
  headers: Record<string, string>
  /** Body as it was sent. */
  body: string
}

const trajectoryId = 'test'

/** A document with the members that receivers look at first. */
const documentOf = ({ name }: TestDelivery['collection'], nowMs: number): string =>
  JSON.stringify({
    trajectory_id: trajectoryId,
    name: `${name}/test`,
    status: 'completed',
    is_test: true,
    created: new Date(nowMs).toISOString(),
    steps: {},
  })

/** Sends a document that says it is a test, signed as that of a run would be. */
export const deliverTest = async (
  { open, clock, timeoutSeconds }: { open: Open; clock(): number; timeoutSeconds: number },
  { collection, url, secret, allowedHosts }: TestDelivery,
  signal: AbortSignal,
): Promise<TestedDelivery> => {
  const nowMs = clock()
  const document = documentOf(collection, nowMs)
  const request = webhookRequest({ trajectoryId, document }, secret, nowMs)
  const begun = performance.now()
  const sent = { headers: request.headers, body: document }
  try {
    requireAllowedHost(new URL(url), allowedHosts)
  } catch (error) {
    return { statusCode: null, error: messageOf(error), durationMs: 0, ...sent }
  }
  const { statusCode, error } = await sendWebhook(open, { url, isSecret: false, timeoutSeconds, signal }, request)
  return { statusCode, error, durationMs: Math.round(performance.now() - begun), ...sent }
}
