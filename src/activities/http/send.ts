import { AppError } from '../../lib/errors.ts'
import { retryAfterSeconds } from '../../lib/net/retry-after.ts'
import type { ActivityContext, OutgoingRequest, OutgoingResponse } from '../activity.ts'
import { type Auth, authHeader } from './auth.ts'
import type { RequestBody } from './request-body.ts'

/** A request that is ready to be sent, without its credential. */
export interface PreparedRequest {
  method: string
  headers: Record<string, string>
  body: RequestBody | undefined
  auth: Auth | undefined
  expectStatus: (number | string)[]
  timeoutSeconds: number
  followRedirects: boolean
  redirectWithoutBody: boolean
  /** Whether the receiver can tell a repetition, or a repetition does no harm. */
  mayRepeat: boolean
}

const shownCharacters = 300
/** Methods whose repetition has no further effect (RFC 9110, section 9.2.2). */
const idempotent = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'])

export const isIdempotent = (method: string): boolean => idempotent.has(method)

const passing = new Set([408, 425, 429, 500, 502, 503, 504])
/** Headers that say nothing about the caller, so that another origin may see them. */
const harmless = new Set(['accept', 'accept-language', 'content-type', 'user-agent'])

const isExpected = (status: number, expected: (number | string)[]): boolean =>
  expected.some((one) => String(one) === String(status) || String(one) === `${Math.floor(status / 100)}xx`)

const withQuery = (url: string, auth: Auth | undefined): string => {
  if (auth?.type !== 'query' || !URL.canParse(url)) return url
  const signed = new URL(url)
  signed.searchParams.set(auth.name, auth.value)
  return signed.href
}

/** Without the query, which may hold keys. */
export const shownUrl = (url: string): string => url.split(/[?#]/, 1)[0] ?? ''

/** An error of a request that may have had its effect is not worth another one. */
const unrepeated = (error: AppError, { method, mayRepeat }: PreparedRequest): AppError => {
  if (mayRepeat || !error.retryable) return error
  return new AppError(error.code, error.message, {
    hint: `A ${method} is not repeated, as it may have had its effect. With idempotency_key it is repeated.`,
    retryable: false,
    cause: error,
  })
}

const unexpected = async (answer: OutgoingResponse, url: string, method: string): Promise<AppError> => {
  const said = (await answer.text()).trim().slice(0, shownCharacters)
  const wait = retryAfterSeconds(answer.headers)
  const text = `${method} ${shownUrl(url)} was answered with ${answer.status}${said ? `: ${said}` : ''}`
  return new AppError('upstream_failed', text, {
    hint: 'If this status is a good answer, name it in expect_status.',
    retryable: passing.has(answer.status),
    ...(wait === undefined ? {} : { retryAfterSeconds: wait }),
  })
}

const outgoing = (request: PreparedRequest, maxBytes: number): OutgoingRequest => {
  const signed = request.auth && authHeader(request.auth)
  const headers = {
    ...(request.body && { 'content-type': request.body.contentType }),
    ...request.headers,
    ...(signed && { [signed[0]]: signed[1] }),
  }
  return {
    method: request.method,
    headers,
    credentialHeaders: Object.keys(headers).filter((name) => !harmless.has(name)),
    ...(request.body && { body: request.body.body }),
    timeoutSeconds: request.timeoutSeconds,
    followRedirects: request.followRedirects,
    redirectWithoutBody: request.redirectWithoutBody,
    maxBytes,
  }
}

/** Sends a request. Throws for a status that is not expected; a failure is retryable only if a repetition is safe. */
export const send = async (
  url: string,
  request: PreparedRequest,
  maxBytes: number,
  context: ActivityContext,
): Promise<OutgoingResponse> => {
  try {
    const answer = await context.fetch(withQuery(url, request.auth), outgoing(request, maxBytes))
    if (isExpected(answer.status, request.expectStatus)) return answer
    throw await unexpected(answer, url, request.method)
  } catch (thrown) {
    throw thrown instanceof AppError ? unrepeated(thrown, request) : thrown
  }
}
