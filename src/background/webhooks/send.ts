import { errorCodes, messageOf, toAppError } from '../../lib/errors.ts'
import type { Open } from '../../lib/net/open.ts'
import type { WebhookRequest } from './request.ts'

/** Result of sending a request once. */
export interface Sent {
  statusCode: number | null
  /** Sentence about the failure; null when delivered. */
  error: string | null
  /** Whether a retry is pointless: the address is never allowed. */
  isFinal: boolean
}

/**
 * Sends a request and waits for the answer's status without reading the body. Any 2xx is a delivery; a redirect is
 * none.
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
    // The message contains the address; for a secret one only the kind of failure is reported.
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
