import type { IncomingHttpHeaders } from 'node:http'
import type { z } from 'zod'
import { AppError, type FieldIssue, toAppError } from '../lib/errors.ts'
import { issueText } from '../lib/text/issue-text.ts'
import { anthropicType, googleStatus, openAiType } from '../model/gateway/error-types.ts'
import type { ErrorBody } from './endpoint.ts'
import { jsonHeaders, Reply } from './reply.ts'

/** A problem under the name that each format has for it. */
const described: Record<ErrorBody, (problem: string | FieldIssue[], error: AppError) => Record<string, unknown>> = {
  detail: (problem) => ({ detail: problem }),
  error: (problem) => ({ error: oneText(problem) }),
  openai: (problem, { code, status }) => ({
    error: { message: oneText(problem), type: openAiType(status), param: null, code },
    detail: problem,
  }),
  anthropic: (problem, { status }) => ({
    type: 'error',
    error: { type: anthropicType(status), message: oneText(problem) },
    detail: problem,
  }),
  google: (problem, { status }) => ({
    error: { code: status, message: oneText(problem), status: googleStatus(status) },
    detail: problem,
  }),
  jsonrpc: (problem, error) => ({
    jsonrpc: '2.0',
    id: null, // the request was not read so far
    error: { code: rpcCode(error), message: oneText(problem) },
    detail: problem,
  }),
}

const rpcCodes = { parseError: -32700, invalidRequest: -32600, internalError: -32603, serverError: -32000 }

const rpcCode = ({ status, issues }: AppError): number => {
  if (issues?.some(({ type }) => type === 'json_invalid' || type === 'missing')) return rpcCodes.parseError
  if (status === 400 || status === 422) return rpcCodes.invalidRequest
  return status === 500 ? rpcCodes.internalError : rpcCodes.serverError
}

/** The format of an error: an endpoint that OpenAI's and Anthropic's clients share answers each in its own. */
export const errorFormat = (declared: ErrorBody, headers: IncomingHttpHeaders): ErrorBody =>
  declared === 'openai' && headers['anthropic-version'] !== undefined ? 'anthropic' : declared

const oneText = (problem: string | FieldIssue[]): string =>
  typeof problem === 'string' ? problem : problem.map(({ loc, msg }) => `${loc.join('.')}: ${msg}`).join('; ')

/**
 * Converts anything thrown to an answer: `{"detail": …}`, with a list for field errors, or the format that the endpoint
 * declares. Never contains a cause or a stack.
 */
export const errorReply = (thrown: unknown, shape: ErrorBody = 'detail'): Reply => {
  const error = toAppError(thrown)
  const status = shape === 'jsonrpc' && error.status === 422 ? 400 : error.status
  const isBug = status === 500 && error.code !== 'object_missing'
  const body = {
    ...described[shape](isBug ? 'Internal Server Error' : (error.issues ?? error.message), error),
    ...(error.hint && !isBug ? { hint: error.hint } : {}),
    ...error.extra,
  }
  return new Reply(JSON.stringify(body), headersOf(error, status), status)
}

/** Without it, the clients of OpenAI and Anthropic repeat a 429 or a 500 within seconds. */
export const noRetry = { 'x-should-retry': 'false' }

const headersOf = (error: AppError, status: number): Record<string, string> => {
  const headers: Record<string, string> = { ...jsonHeaders }
  if (status === 401) headers['www-authenticate'] = 'Bearer'
  if (error.retryAfterSeconds !== undefined) headers['retry-after'] = String(Math.ceil(error.retryAfterSeconds))
  return error.isFinal ? { ...headers, ...noRetry } : headers
}

const valueAt = (input: unknown, path: readonly PropertyKey[]): unknown =>
  path.reduce<unknown>(
    (value, key) => (typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined),
    input,
  )

const issueOf = (place: 'body' | 'query', issue: z.core.$ZodIssue, input: unknown): FieldIssue => {
  const loc = [place, ...issue.path.map((key) => (typeof key === 'number' ? key : String(key)))]
  const missing = ['invalid_type', 'invalid_union'].includes(issue.code) && valueAt(input, issue.path) === undefined
  if (missing) return { loc, msg: 'Field required', type: 'missing' }
  const ofName = issue.code === 'invalid_key' ? issue.issues[0] : undefined
  if (ofName) return { loc, msg: ofName.message, type: ofName.code }
  return { loc, msg: issueText(issue), type: issue.code }
}

/** At most this many faults are listed; a body of a million wrong items needs no answer of a million lines. */
const listedIssues = 50

/** The 422 for a value that does not fit its schema. */
export const invalidValue = (place: 'body' | 'query', error: z.ZodError, input: unknown): AppError =>
  new AppError('invalid', `The ${place} is not valid`, {
    issues: error.issues.slice(0, listedIssues).map((issue) => issueOf(place, issue, input)),
  })
