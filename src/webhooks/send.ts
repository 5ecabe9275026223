import { errorCodes, messageOf, toAppError } from '../lib/errors.ts'
import type { Open } from '../lib/net/open.ts'
import type { WebhookRequest } from './request.ts'

/** What came of sending a request once. */
export interface Sent {
  statusCode: number | null
  /** A sentence; null where it was delivered. */
  error: string | null
  /** May the same be delivered later? Not where the address is one that is never called. */
  isFinal: boolean
}

/**
 * Sends a request and waits for the status of the answer; nothing of its body is read, however much of it comes. Any
 * 2xx is a delivery; a redirect is none.
 */
export const sendWebhook = async (
  open: Open,
  target: { url: string; isSecret: boolean; timeoutSeconds: number; signal: AbortSignal },
  { headers, body }: WebhookRequest,
): Promise<Sent> => {
  try {
    const { timeoutSeconds, signal } = target
    const answer = await open(target.url, { method: 'POST', headers, body, timeoutSeconds, signal })
    answer.close()
    return { statusCode: answer.status, error: complaint(answer.status), isFinal: false }
  } catch (thrown) {
    const { code } = toAppError(thrown)
    // The sentence names the address; where that is a secret only the kind of failure is told.
    const error = target.isSecret ? errorCodes[code].meaning : messageOf(thrown)
    return { statusCode: null, error, isFinal: code === 'address_refused' }
  }
}

const complaint = (status: number): string | null => {
  if (status >= 200 && status <= 299) return null
  return status >= 300 && status <= 399
    ? `The receiver answered ${status}; redirects are not followed`
    : `The receiver answered ${status}`
}
