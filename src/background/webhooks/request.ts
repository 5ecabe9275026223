import { createHmac } from 'node:crypto'

/** Request to a receiver. */
export interface WebhookRequest {
  headers: Record<string, string>
  body: Buffer
}

/**
 * Builds the request: the run's document, signed with the hex HMAC-SHA256 of `<timestamp>.<raw body>` when there is a
 * secret. Each header has two names, for receivers that know the older one.
 */
export const webhookRequest = (
  run: { trajectoryId: string; document: string },
  secret: string | null,
  nowMs: number,
): WebhookRequest => {
  const body = Buffer.from(run.document)
  const seconds = String(Math.floor(nowMs / 1000))
  const said: Record<string, string> = {
    'trajectory-id': run.trajectoryId,
    ...(secret && {
      timestamp: seconds,
      signature: createHmac('sha256', secret).update(`${seconds}.`).update(body).digest('hex'),
    }),
  }
  const named = (prefix: string) => Object.entries(said).map(([name, value]) => [`${prefix}-${name}`, value])
  return {
    headers: { 'content-type': 'application/json', ...Object.fromEntries([...named('x-mise'), ...named('x-jetty')]) },
    body,
  }
}
