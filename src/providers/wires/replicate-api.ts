import { AppError } from '../../lib/errors.ts'
import { parsedJson } from '../../lib/json/json-object.ts'
import type { Fetch } from '../../lib/net/net.ts'
import type { CallLimits, Target } from '../provider.ts'
import { refusal, timeoutHint, unreadable } from '../upstream/errors.ts'
import { withRetries } from '../upstream/retry.ts'

/** An account at Replicate, or at a server in its place. */
export interface ReplicateAccount {
  /** With the key, and the base URL including `/v1`. */
  target: Target
  /** The guarded network, unless the server itself was started with that URL. */
  fetch: Fetch
  limits: CallLimits
}

interface ReplicateRequest {
  method: 'GET' | 'POST'
  /** Relative to the base URL. */
  path: string
  headers?: Record<string, string>
  body?: string | Uint8Array
  signal?: AbortSignal
}

/** For one request: a prediction is polled, so none has to last long. */
const longestSeconds = 300

/** Names Replicate instead of its address: where the server keeps a base URL is not the client's business. */
const named = (error: unknown, { base_url: base, provider }: Target): unknown => {
  if (!(error instanceof AppError) || error.code === 'upstream_failed') return error
  const address = new RegExp(`(?:[A-Z]+ )?${base.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&')}\\S*?(?=:?\\s|:?$)`, 'g')
  const { code, retryable, cause, hint } = error
  return timeoutHint(
    new AppError(code, error.message.replace(address, provider.name), { retryable, cause, ...(hint && { hint }) }),
  )
}

const askOnce = async (
  { target, fetch, limits }: ReplicateAccount,
  { path, ...request }: ReplicateRequest,
): Promise<unknown> => {
  try {
    const answer = await fetch(target.base_url + path, {
      ...request,
      headers: { accept: 'application/json', ...request.headers, ...target.headers },
      followRedirects: false,
      timeoutSeconds: longestSeconds,
      firstByteSeconds: limits.firstByteSeconds,
      idleSeconds: limits.idleSeconds,
    })
    const { status, headers } = answer
    const text = await answer.text()
    if (status < 200 || status > 299) throw refusal(target, status, text, headers)
    const body = parsedJson(text)
    if (body === undefined) throw unreadable(target, 'JSON', { status, text, headers })
    return body
  } catch (error) {
    throw named(error, target)
  }
}

/**
 * Sends one request and returns its JSON. Retries failures that pass until `caller` aborts; the signal of the request
 * itself interrupts it.
 */
export const askReplicate = (
  account: ReplicateAccount,
  request: ReplicateRequest,
  caller: AbortSignal,
): Promise<unknown> => withRetries(() => askOnce(account, request), account.limits, { signal: caller })

/** The error for an unexpected answer. */
export const strange = (problem: string): AppError =>
  new AppError('upstream_failed', `Replicate answered with ${problem}`, {
    hint: 'Check what answers at REPLICATE_BASE_URL.',
  })
