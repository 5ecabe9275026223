import { AppError } from '../../lib/errors.ts'
import { parsedJson } from '../../lib/json/json-object.ts'
import type { Fetch } from '../../lib/net/net.ts'
import { refusal, timeoutHint, unreadable } from '../../upstream/errors.ts'
import { withRetries } from '../../upstream/retry.ts'
import type { CallLimits, Target } from '../provider.ts'

/** An account at Replicate, or at whoever answers in its place. */
export interface ReplicateAccount {
  /** With the key, and the base URL with its /v1. */
  target: Target
  /** The way there: the guarded one, unless the server itself was started with that URL. */
  fetch: Fetch
  limits: CallLimits
}

export interface ReplicateRequest {
  method: 'GET' | 'POST'
  /** Behind the base URL. */
  path: string
  headers?: Record<string, string>
  body?: string | Uint8Array
  signal?: AbortSignal
}

/** One request: what is waited for is asked for again, so that none has to last long. */
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
 * The answer to one request, as JSON; sent again while its failure is of the kind that passes, and `caller` has not
 * aborted. The signal of the request itself interrupts it.
 */
export const askReplicate = (
  account: ReplicateAccount,
  request: ReplicateRequest,
  caller: AbortSignal,
): Promise<unknown> => withRetries(() => askOnce(account, request), account.limits, { signal: caller })

/** An answer that is not what it should be. */
export const strange = (problem: string): AppError =>
  new AppError('upstream_failed', `Replicate answered with ${problem}`, {
    hint: 'Check what answers at REPLICATE_BASE_URL.',
  })
