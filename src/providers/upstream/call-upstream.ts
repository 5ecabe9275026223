import type { Dispatcher } from 'undici'
import { AppError } from '../../lib/errors.ts'
import { parsedObject } from '../../lib/json/json-object.ts'
import { makeByteBlocks } from '../../lib/memory/byte-blocks.ts'
import { now } from '../../lib/time.ts'
import type { UpstreamAnswer } from './answer.ts'
import { errorInside, refusal, unreadable } from './errors.ts'
import { failureIn } from './formats/format.ts'
import { eventBytes, framesOf } from './frames/sse.ts'
import { afterFirstItem, readUntil } from './push-stream.ts'
import { withRetries } from './retry.ts'
import { openUpstream, type UpstreamRequest, type UpstreamResponse } from './transport/open-upstream.ts'
import type { StopListener } from './transport/stop.ts'
import type { Upstream } from './upstream.ts'

/** Request headers meant for the model. Credentials and headers of the connection are never among them. */
const towardsProvider =
  /^(accept|content-type|http-referer|idempotency-key|originator|prefer|user-agent|x-title)$|^(anthropic|openai|x-amzn-bedrock|x-goog-api-client|x-stainless)(-|$)/
/** Response headers meant for the client. */
const towardsClient =
  /^(content-type|request-id|retry-after|retry-after-ms|x-request-id|x-should-retry)$|^(anthropic|openai|x-amzn|x-ratelimit)-/

/** Headers that choose or name the account behind a key, or act in it beyond one call. */
const ofAccount = /^(idempotency-key|openai-organization|openai-project|anthropic-organization-id)$/

type Headers = Readonly<Record<string, string | string[] | undefined>>

/** The account that a call uses: the client's own, or one that the client must neither choose nor learn about. */
type Account = 'own' | 'shared'

const chosen = (
  headers: Headers,
  names: RegExp,
  account: Account,
  result: Record<string, string> = {},
): Record<string, string> => {
  for (const name in headers) {
    const value = headers[name]
    if (typeof value !== 'string' || !names.test(name)) continue
    if (account === 'own' || !ofAccount.test(name)) result[name] = value
  }
  return result
}

/**
 * The headers of a request to a provider, in three steps: what its row and its key say, then what the client says, then
 * what this server needs to read the answer. A client can override the version of an API, and never a credential, since
 * none is on the list of headers that pass.
 */
export const headersToProvider = (
  fromClient: Headers,
  ofRoute: Readonly<Record<string, string>>,
  account: Account,
): Record<string, string> => {
  const headers = chosen(fromClient, towardsProvider, account, { ...ofRoute })
  // Uncompressed, because the gateway reads the answer while it forwards it.
  headers['accept-encoding'] = 'identity'
  return headers
}

/** The headers of an answer for the client. */
export const headersToClient = (fromProvider: Headers, account: Account): Record<string, string> =>
  chosen(fromProvider, towardsClient, account)

export interface UpstreamLimits {
  /** Attempts while the failures are of a kind that passes. */
  tries: number
  firstByteSeconds: number
  idleSeconds: number
}

/** A call whose body is already in the provider's own format. */
interface UpstreamCall extends Pick<UpstreamRequest, 'method' | 'url' | 'body'> {
  route: Upstream & { agent: Dispatcher; headers: Readonly<Record<string, string>> }
  account: Account
  clientHeaders: Parameters<typeof headersToProvider>[0]
  /** Headers that neither the client nor the provider's row may change. */
  ownHeaders?: Record<string, string>
  /** Waits for an answer of up to this size: it can then be checked and tried again. */
  waitForBytes: number
  /** Whether an answer that is not streamed must be a JSON object. */
  isJson: boolean
}

/** Bytes of a refusal that are read. */
const refusedBytes = 1024 * 1024

/** Reads an answer until it has more than so many bytes; `rest` is undefined if it has not. */
const readBeginning = async (response: UpstreamResponse, bytes: number) => {
  const begun = makeByteBlocks()
  const rest = await readUntil(response, (chunk) => {
    begun.add(chunk)
    return begun.size > bytes
  })
  return { begun: begun.take(), rest }
}

const isEventStream = ({ headers }: UpstreamResponse): boolean =>
  headers['content-type']?.toLowerCase().startsWith('text/event-stream') ?? false

const readAnswer = async (call: UpstreamCall, response: UpstreamResponse): Promise<UpstreamAnswer> => {
  const { status } = response
  const headers = headersToClient(response.headers, call.account)
  const firstByteMs = now()
  if (isEventStream(response)) {
    const source = await afterFirstItem(framesOf(response, eventBytes))
    return { kind: 'events', status, headers, firstByteMs, source }
  }
  if (call.waitForBytes === 0)
    return { kind: 'large', status, headers, firstByteMs, begun: Buffer.alloc(0), rest: response }
  const { begun: bytes, rest } = await readBeginning(response, call.waitForBytes)
  if (rest) return { kind: 'large', status, headers, firstByteMs, begun: bytes, rest }
  const body = parsedObject(bytes.toString())
  if (!body && call.isJson) {
    throw unreadable(call.route, 'JSON', { status, headers: response.headers, text: bytes.toString() })
  }
  const answer: UpstreamAnswer = { kind: 'whole', status, headers, firstByteMs, bytes }
  if (errorInside(body) !== undefined) answer.failure = failureIn(body?.error)
  return answer
}

/**
 * Sends a call to its provider and reads the start of the answer. A failure that passes is tried again, since nothing has
 * been shown yet. Returns a refusal as an answer; throws AppErrors for everything else that went wrong.
 */
export const callUpstream = async (
  call: UpstreamCall,
  limits: UpstreamLimits,
  stop: StopListener,
): Promise<UpstreamAnswer> => {
  const { route, method, url, body } = call
  const request: UpstreamRequest = {
    upstream: route,
    agent: route.agent,
    headers: Object.assign(headersToProvider(call.clientHeaders, route.headers, call.account), call.ownHeaders),
    method,
    url,
    body,
    firstByteSeconds: limits.firstByteSeconds,
    idleSeconds: limits.idleSeconds,
  }
  let refused: Omit<Extract<UpstreamAnswer, { kind: 'refused' }>, 'error'> | undefined
  const once = async (): Promise<UpstreamAnswer> => {
    refused = undefined
    const response = await openUpstream(request, stop)
    const { status } = response
    if (status >= 200 && status < 300) return readAnswer(call, response)
    const head = { status, headers: headersToClient(response.headers, call.account), firstByteMs: now() }
    const { begun: bytes, rest } = await readBeginning(response, refusedBytes)
    rest?.abort()
    refused = { ...head, kind: 'refused', bytes }
    throw refusal(route, status, refused.bytes.toString(), response.headers)
  }
  try {
    return await withRetries(once, limits, stop)
  } catch (error) {
    if (stop.reason) throw stop.reason
    if (!refused || !(error instanceof AppError)) throw error
    return { ...refused, error }
  }
}
