import { AppError } from '../../lib/errors.ts'
import type { Fetch, OutgoingResponse } from '../../lib/net.ts'
import { retryAfterSeconds } from '../../lib/retry-after.ts'
import { withRetries } from '../retry.ts'

/** An account at Replicate, or at whoever answers in its place. */
export interface ReplicateAccount {
  /** With the /v1, without a slash behind. */
  baseUrl: string
  key: string
  /** The way to `baseUrl`: the guarded one, unless the server itself was started with that URL. */
  fetch: Fetch
  firstByteSeconds: number
  idleSeconds: number
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
const shownCharacters = 500

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Its errors are `{title, detail, status}`; what stands in front of it may send anything. */
const wordsOf = (text: string): string => {
  const body = parsed(text)
  const { detail, title } =
    typeof body === 'object' && body !== null ? (body as { detail?: unknown; title?: unknown }) : {}
  if (typeof detail === 'string') return detail
  if (typeof title === 'string') return title
  return text
    .slice(0, 20_000)
    .replace(/<[^<>]*>/g, ' ')
    .replace(/\s+/g, ' ')
    .trim()
}

const hints: Record<number, string> = {
  401: "Check the key: REPLICATE_API_TOKEN of the run's environment.",
  402: 'The account at Replicate has no credit left.',
  403: 'The key does not reach that model at Replicate.',
  404: 'Check the name: owner/name or owner/name:version, as its page at Replicate has it.',
  422: "The model's page at Replicate lists its inputs.",
  429: 'The limit of the account at Replicate is reached: wait, or raise it there.',
}

/** The key has no place in a message, whoever sent it back. */
export const withoutKey = (text: string, { key }: ReplicateAccount): string => text.replaceAll(key, '***')

const refusal = (account: ReplicateAccount, answer: OutgoingResponse, text: string): AppError => {
  const { status, headers } = answer
  const words = withoutKey(wordsOf(text), account).slice(0, shownCharacters)
  const wait = retryAfterSeconds(headers)
  const hint = hints[status]
  return new AppError('upstream_failed', `Replicate answered ${status}${words ? `: ${words}` : ''}`, {
    retryable: status === 408 || status === 409 || status === 429 || status >= 500,
    extra: { upstream_status: status },
    ...(hint === undefined ? {} : { hint }),
    ...(wait === undefined ? {} : { retryAfterSeconds: wait }),
  })
}

/** What went wrong on the way, told of Replicate: where the server has it is nobody's business but the server's. */
const onTheWay = (error: unknown, { baseUrl }: ReplicateAccount): unknown => {
  if (!(error instanceof AppError) || error.code === 'upstream_failed') return error
  const message = error.message.replaceAll(/(GET|POST) http\S+/g, 'Replicate').replaceAll(baseUrl, 'Replicate')
  return new AppError(error.code, message, {
    retryable: error.retryable,
    cause: error.cause,
    ...(error.hint === undefined ? {} : { hint: error.hint }),
  })
}

const askOnce = async (account: ReplicateAccount, request: ReplicateRequest): Promise<unknown> => {
  const { path, signal, ...rest } = request
  try {
    const answer = await account.fetch(account.baseUrl + path, {
      ...rest,
      headers: { accept: 'application/json', ...request.headers, authorization: `Bearer ${account.key}` },
      followRedirects: false,
      timeoutSeconds: longestSeconds,
      firstByteSeconds: account.firstByteSeconds,
      idleSeconds: account.idleSeconds,
      ...(signal === undefined ? {} : { signal }),
    })
    const text = await answer.text()
    if (answer.status < 200 || answer.status > 299) throw refusal(account, answer, text)
    const body = parsed(text)
    if (body !== undefined) return body
    throw new AppError('upstream_failed', `Replicate answered ${answer.status} with something that is no JSON`, {
      hint: 'Check what answers at REPLICATE_BASE_URL.',
    })
  } catch (error) {
    throw onTheWay(error, account)
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
): Promise<unknown> => withRetries(() => askOnce(account, request), caller)
