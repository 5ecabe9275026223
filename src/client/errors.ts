import { AppError, type ErrorCode, errorCodes, type FieldIssue, messageOf } from '../lib/errors.ts'
import { isObject, parsedObject } from '../lib/json/json-object.ts'
import type { TextAnswer } from './request.ts'

const codeOf = (status: number): ErrorCode =>
  (Object.keys(errorCodes) as ErrorCode[]).find((code) => errorCodes[code].status === status) ??
  (status < 500 ? 'bad_request' : 'internal')

interface ErrorBody {
  detail?: unknown
  error?: unknown
  hint?: unknown
}

const isIssues = (detail: unknown): detail is FieldIssue[] =>
  Array.isArray(detail) && detail.every((one) => typeof one === 'object' && one !== null && 'msg' in one)

/** Formats an issue; preflight issues concern the runbook and name no request field. */
const issueText = ({ loc, msg, type }: FieldIssue): string =>
  type.startsWith('preflight_') ? msg : `${loc.join('.')}: ${msg}`

const sentence = (body: ErrorBody, status: number): string => {
  if (typeof body.detail === 'string') return body.detail
  if (isIssues(body.detail)) return body.detail.map(issueText).join('\n')
  return typeof body.error === 'string' ? body.error : `The server answered ${status}`
}

const foreignHint = 'A Jetty server says more than that: check the URL, and the proxy that may answer in its place.'

/** The code that the server states; a provider behind the gateway may state one of the same name with another status. */
const statedCode = ({ error }: ErrorBody, status: number): ErrorCode | undefined => {
  const code = isObject(error) && typeof error.code === 'string' ? error.code : ''
  return Object.hasOwn(errorCodes, code) && errorCodes[code as ErrorCode].status === status
    ? (code as ErrorCode)
    : undefined
}

/** Reads the headers of a refused call to a model: who refused it, and where it is recorded. */
const refusedCall = ({ headers, status }: TextAnswer): Record<string, unknown> => {
  const [provider, id] = ['x-jetty-provider', 'x-jetty-trajectory-id'].map((name) => headers.get(name))
  return {
    ...(provider ? { provider, provider_status: status } : {}),
    ...(id && headers.get('x-jetty-record') !== 'off' ? { trajectory_id: id } : {}),
  }
}

const isOurs = ({ detail, error }: ErrorBody): boolean => detail !== undefined || error !== undefined

const remedyOf = (code: ErrorCode, hint: unknown): { hint?: string } =>
  typeof hint === 'string' ? { hint } : code === 'invalid' ? {} : { hint: errorCodes[code].remedy }

/**
 * Reconstructs the server's error from an answer that is no success. What a model provider refused is `upstream_failed`,
 * with `provider_status`: its 401 says nothing about the token of this client.
 */
export const answerError = async (response: TextAnswer): Promise<AppError> => {
  const body = (parsedObject(await response.text().catch(() => '')) ?? {}) as ErrorBody
  const call = refusedCall(response)
  const code = statedCode(body, response.status) ?? ('provider' in call ? 'upstream_failed' : codeOf(response.status))
  const retryAfter = Number(response.headers.get('retry-after'))
  const { detail: _, error: __, hint, ...extra } = body as ErrorBody & Record<string, unknown>
  return new AppError(code, sentence(body, response.status), {
    ...(isOurs(body) ? remedyOf(code, hint) : { hint: foreignHint }),
    ...(isIssues(body.detail) ? { issues: body.detail } : {}),
    ...(retryAfter > 0 ? { retryAfterSeconds: retryAfter } : {}),
    extra: { ...extra, ...call },
  })
}

const strange = 'answers, but not as a Jetty server does'

/** Error for a success that no Jetty server sends. */
export const strangeAnswer = (url: string, cause: unknown): AppError =>
  new AppError('network_failed', `${url || 'The server'} ${strange}`, { hint: foreignHint, cause })

/** Error for a server that does not answer; `url` is empty where requests go to the origin of the page. */
export const unreachable = (url: string, thrown: unknown): AppError => {
  const cause = thrown instanceof Error && thrown.cause !== undefined ? thrown.cause : thrown
  const reason = cause instanceof Error && 'code' in cause ? String(cause.code) : messageOf(cause)
  return new AppError('network_failed', `No answer from ${url || 'the server'} (${reason})`, { cause: thrown })
}
