import type { IncomingHttpHeaders } from 'node:http'
import { AppError, toAppError } from '../../lib/errors.ts'
import { parsedObject } from '../../lib/json/json-object.ts'
import { now } from '../../lib/time.ts'
import type { Route } from '../../providers/provider.ts'
import { withRetries } from '../../providers/retry.ts'
import { errorInside, onTheWay, refusal, unreadable } from '../../providers/wires/refusal.ts'
import { type AskedCall, upstreamBody } from '../asked.ts'
import { headersToClient, headersToProvider } from '../headers.ts'
import type { RefusedAnswer } from '../refused.ts'
import { begun, type FrameSource, framesOf } from '../relay/frames.ts'
import { failureIn, isEventData } from '../relay/meaning.ts'
import { unpacked } from '../relay/unpacked.ts'
import type { Stop } from '../stop.ts'
import { type LargeAnswer, readBeginning } from './beginning.ts'
import { openUpstream, type UpstreamAnswer } from './upstream.ts'

/** What somebody who was asked gave; nothing of it was shown to the client yet. */
export type Given = { status: number; headers: Record<string, string>; firstByteMs: number } & (
  | { kind: 'whole'; bytes: Buffer; failure?: SaidFailure }
  | ({ kind: 'large' } & LargeAnswer)
  | { kind: 'events'; source: FrameSource }
  | { kind: 'refused'; bytes: Buffer; error: AppError }
)

/** An answer with a status of success that says itself that it is none. */
interface SaidFailure {
  code: string
  message: string
}

export interface AskLimits {
  /** How often a provider is asked while its failures are of the kind that passes. */
  tries: number
  firstByteSeconds: number
  idleSeconds: number
}

/** An answer of up to so many bytes is waited for: it can then be checked, tried again, and be told by its length. */
const waitedForBytes = 64 * 1024
const refusedBytes = 1024 * 1024
const eventBytes = 4 * 1024 * 1024

const isEvents = (headers: Record<string, string>): boolean =>
  headers['content-type']?.toLowerCase().startsWith('text/event-stream') ?? false

const readRefusal = async (answer: UpstreamAnswer): Promise<RefusedAnswer> => {
  const { chunks, rest } = await readBeginning(answer, refusedBytes)
  rest?.abort()
  return { status: answer.status, headers: answer.headers, bytes: Buffer.concat(chunks) }
}

const readAnswer = async (route: Route, answer: UpstreamAnswer, firstByteMs: number): Promise<Given> => {
  const { status } = answer
  const headers = headersToClient(answer.headers)
  if (isEvents(answer.headers)) {
    const source = await begun(framesOf(answer, eventBytes, isEventData))
    return { kind: 'events', status, headers, source, firstByteMs }
  }
  const { chunks, rest } = await readBeginning(answer, waitedForBytes)
  if (rest) return { kind: 'large', status, headers, chunks, rest, firstByteMs }
  const bytes = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)
  const body = parsedObject(bytes.toString())
  if (body) {
    const failure = errorInside(body) === undefined ? {} : { failure: failureIn(body.error) }
    return { kind: 'whole', status, headers, bytes, firstByteMs, ...failure }
  }
  const said = { status, headers: answer.headers, text: bytes.toString() }
  throw unreadable(route, 'JSON', said)
}

/** The same answer; what breaks it off is told of the provider, and not of where the server has it. */
const toldOf = (route: Route, answer: UpstreamAnswer): UpstreamAnswer => ({
  ...answer,
  readTo: (sink) =>
    answer.readTo({ data: sink.data, end: (problem) => sink.end(problem && toAppError(onTheWay(problem, route))) }),
})

/**
 * Asks a provider that speaks the shape of the call itself: the client's bytes go there, and what comes back is given as
 * it is. Failures that pass are tried again, as long as nothing was given. Throws AppErrors for all but a refusal.
 */
export const askNative = async (
  route: Route,
  asked: AskedCall,
  clientHeaders: IncomingHttpHeaders,
  limits: AskLimits,
  stop: Stop,
): Promise<Given> => {
  const request = {
    agent: route.agent,
    url: new URL(route.url),
    headers: headersToProvider(clientHeaders, route.headers, asked.stream),
    body: upstreamBody(asked, route.model),
    ...limits,
  }
  let refused: (RefusedAnswer & { firstByteMs: number }) | undefined
  const once = async (): Promise<Given> => {
    refused = undefined
    const answer = toldOf(route, unpacked(await openUpstream(request, stop), route.provider.name))
    const firstByteMs = now()
    if (answer.status >= 200 && answer.status < 300) return readAnswer(route, answer, firstByteMs)
    refused = { ...(await readRefusal(answer)), firstByteMs }
    throw refusal(route, refused.status, refused.bytes.toString(), refused.headers)
  }
  try {
    return await withRetries(once, limits, stop)
  } catch (error) {
    if (stop.reason) throw stop.reason
    if (!refused || !(error instanceof AppError)) throw onTheWay(error, route)
    return { kind: 'refused', ...refused, headers: headersToClient(refused.headers), error }
  }
}
