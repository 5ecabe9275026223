import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { AppError, toAppError } from '../../../lib/errors.ts'
import { editMembers, type Member, membersOf } from '../../../lib/json/json-members.ts'
import { parsedJson } from '../../../lib/json/json-object.ts'
import { maxJsonDepth } from '../../../lib/json/json-text.ts'
import { makeByteBlocks } from '../../../lib/memory/byte-blocks.ts'
import type { ModelUsage } from '../../../model/gateway/chat.ts'
import { joined } from '../../../providers/address.ts'
import { costOf, hasPrice } from '../../../providers/prices/prices.ts'
import type { ModelRoute, Models } from '../../../providers/provider.ts'
import { refusalIn, refusedStatus, type UpstreamAnswer } from '../../../providers/upstream/answer.ts'
import { callUpstream } from '../../../providers/upstream/call-upstream.ts'
import { chatFromGemini, geminiFromChat, makeGeminiEvents } from '../../../providers/upstream/convert/gemini.ts'
import { cutOff } from '../../../providers/upstream/errors.ts'
import { chatFormat } from '../../../providers/upstream/formats/openai.ts'
import type { Frame } from '../../../providers/upstream/frames/sse.ts'
import { streamItems } from '../../../providers/upstream/push-stream.ts'
import type { makeKeyRedactors } from '../../../providers/upstream/redact/key-redactor.ts'
import { redactAnswer } from '../../../providers/upstream/redact/redact-answer.ts'
import { renameModel } from '../../../providers/upstream/transport/rename-model.ts'
import { stopFrom } from '../../../providers/upstream/transport/stop.ts'
import { type AnswerMeter, type MeteredAnswer, metered } from '../../../providers/upstream/usage/answer-meter.ts'
import { atLeast, estimatedPrompt } from '../../../providers/upstream/usage/estimate.ts'
import { type makeUsageQuestion, withUsageAsked } from '../../../providers/upstream/usage/stream-usage.ts'
import { noTokens, tokenUsage } from '../../../providers/upstream/usage/usage.ts'
import type { GatewayLimits } from '../limits.ts'
import { type Meter, type MeteredCall, meterFailure } from '../meter.ts'
import { type ByteRoom, readBody } from '../request-body.ts'
import type { GatewayOptions } from '../sandbox-gateway.ts'
import { answerError, type Backend, breakOff } from './backend.ts'
import type { ModelEndpoint } from './endpoints.ts'

/** A larger answer cannot be converted. */
const convertedBytes = 16 * 1024 * 1024

/** The bytes of an answer for the sandbox, in pieces as they can be written. */
type Pieces = AsyncIterable<Buffer>

const bytesOf = (frames: readonly Frame[]): Buffer =>
  frames.length === 1 ? frames[0]!.bytes : Buffer.concat(frames.map(({ bytes }) => bytes))

const asItIs = async function* (answer: UpstreamAnswer): Pieces {
  if (answer.kind === 'events') {
    for await (const frames of streamItems(answer.source)) yield bytesOf(frames)
  } else if (answer.kind === 'large') {
    if (answer.begun.length > 0) yield answer.begun
    yield* streamItems(answer.rest)
  } else yield answer.bytes
}

const asGemini = async function* (answer: UpstreamAnswer): Pieces {
  if (answer.kind === 'events') {
    const events = makeGeminiEvents()
    for await (const frames of streamItems(answer.source)) {
      yield Buffer.concat(frames.map(({ data }) => events.take(data ?? '')))
    }
    return yield events.rest()
  }
  const bytes = makeByteBlocks()
  let size = 0
  for await (const chunk of asItIs(answer)) {
    size += chunk.length
    if (size <= convertedBytes) bytes.add(chunk)
    yield Buffer.alloc(0) // bytes still arrive
  }
  yield geminiFromChat(size <= convertedBytes ? bytes.take().toString() : '')
}

/** Waits until the sandbox has read what was written. Throws if it disconnects, or reads nothing for too long. */
const drained = async (response: ServerResponse, seconds: number, signal: AbortSignal): Promise<void> => {
  const late = new AbortController()
  const timer = setTimeout(() => late.abort(), seconds * 1000)
  try {
    await once(response, 'drain', { signal: AbortSignal.any([signal, late.signal]) })
  } catch (cause) {
    throw new AppError('timed_out', `The sandbox has not read its answer for ${seconds} s`, { cause })
  } finally {
    clearTimeout(timer)
  }
}

/** Writes an answer as it arrives. `onPiece` is called for each piece, and may throw to break the answer off. */
const passOn = async (
  answer: UpstreamAnswer,
  response: ServerResponse,
  options: { toGemini: boolean; stalledSeconds: number; signal: AbortSignal; onPiece(): void },
): Promise<void> => {
  for await (const piece of options.toGemini ? asGemini(answer) : asItIs(answer)) {
    options.onPiece()
    if (piece.length > 0 && !response.write(piece)) await drained(response, options.stalledSeconds, options.signal)
  }
}

/** A request, read no further than necessary. */
interface AskedModel {
  body: Buffer
  members: readonly Member[]
  /** The name that the agent wrote; empty if the request names no model. */
  model: string
  isStream: boolean
}

/** Names appear in messages and events. */
const longestName = 200

const memberValue = (body: Buffer, members: readonly Member[], name: string): unknown => {
  const member = members.findLast((one) => one.name === name)
  return member && parsedJson(body.toString('utf8', member.valueStart, member.valueEnd))
}

const looksLikeObject = (body: Buffer): boolean => /^\s*\{/.test(body.toString('latin1', 0, 64))

/** An answer in the background could neither be metered nor be stopped with the run. */
const refuseBackground = (body: Buffer, members: readonly Member[]): void => {
  const isAsked = members
    .filter(({ name }) => name === 'background')
    .some(({ valueStart, valueEnd }) => !['false', 'null'].includes(body.toString('utf8', valueStart, valueEnd)))
  if (isAsked) throw new AppError('bad_request', 'A runbook cannot use background responses: omit `background`')
}

/**
 * Reads the name of the model from the path or the body; a body that is not JSON has none. Throws `bad_request` for an
 * object that cannot be read, and for a request in the background.
 */
const readAskedModel = (body: Buffer, endpoint: ModelEndpoint): AskedModel => {
  const read = membersOf(body, maxJsonDepth)
  if (!read && looksLikeObject(body)) {
    throw new AppError('bad_request', 'The body is not a complete JSON object, or it has too many members or levels')
  }
  const members = read?.members ?? []
  if (endpoint.mayRunInBackground) refuseBackground(body, members)
  const written = endpoint.model ?? memberValue(body, members, 'model') ?? memberValue(body, members, 'version')
  return {
    body,
    members,
    model: typeof written === 'string' ? written.slice(0, longestName) : '',
    isStream: memberValue(body, members, 'stream') === true,
  }
}

/** The body for the provider, with its own name for the model. */
const bodyFor = ({ body, members }: AskedModel, endpoint: ModelEndpoint, model: string): Buffer =>
  endpoint.model === undefined ? editMembers(body, members, renameModel(members, model)) : body

/** A streamed chat for the provider that asks for its usage, for budgets; undefined for any other body. */
const askingBody = ({ isStream }: AskedModel, endpoint: ModelEndpoint, body: Buffer): Buffer | undefined =>
  isStream && endpoint.path === '/chat/completions'
    ? withUsageAsked(body, membersOf(body, maxJsonDepth)?.members ?? [])
    : undefined

export interface CallContext {
  models: Models
  options: GatewayOptions
  limits: GatewayLimits
  meter: Meter
  backend: Backend
  room: ByteRoom
  redactorFor: ReturnType<typeof makeKeyRedactors>
  askForUsage: ReturnType<typeof makeUsageQuestion>
  /** To be called whenever bytes go through. */
  moved(): void
}

/** A request for a model that came from a sandbox. */
export interface InsideCall {
  request: IncomingMessage
  response: ServerResponse
  endpoint: ModelEndpoint
  /** Without the key that may have been in it. */
  query: string
  /** Aborts when the sandbox disconnects, or its gateway is closed. */
  signal: AbortSignal
}

/** A call with the route and the body that it is sent with. */
interface RoutedCall extends InsideCall {
  route: ModelRoute
  body: Buffer
  /** The body with a question for the usage of its stream. */
  asking: Buffer | undefined
  usdPerToken: number
}

const thousandTokens: ModelUsage = tokenUsage(0, 1000)

/** The price of a token of the answer in US dollars; 0 if no budget needs it, or the price is unknown. */
const pricePerToken = async (
  { options }: CallContext,
  { isCall }: ModelEndpoint,
  route: ModelRoute,
): Promise<number> => (options.budget.usd === null || !isCall ? 0 : ((await costOf(route, thousandTokens)) ?? 0) / 1000)

/**
 * The usage of an answer: the provider's count, raised to what has arrived if the answer was cut off, and an estimate.
 */
const spentOn = ({ endpoint, body }: RoutedCall, came: MeteredAnswer | undefined): Partial<MeteredCall> => {
  if (!came) return {}
  const { usage, cost, isWhole, estimatedTokens } = came
  return {
    usage: usage && (isWhole ? usage : atLeast(usage, estimatedTokens)),
    stated: cost,
    estimate: endpoint.format.countsTokens ? tokenUsage(estimatedPrompt(body), estimatedTokens) : noTokens,
  }
}

const brokenOff = ({ route }: RoutedCall, { failure }: MeteredAnswer): AppError =>
  failure
    ? new AppError(
        'upstream_failed',
        `${route.provider.name} interrupted its answer with an error: ${failure.message.slice(0, 500)}`,
      )
    : cutOff(route)

/** Sends a refusal to the agent. If retrying cannot help, its form makes the agent stop. */
const tellRefusal = (call: RoutedCall, answer: Extract<UpstreamAnswer, { kind: 'refused' }>): void => {
  const { response, endpoint } = call
  const { status, headers, bytes, error } = answer
  if (endpoint.asGemini) {
    answerError(response, endpoint.format, status, error.message)
    return
  }
  const isFinal = status < 500 && ![408, 409, 429].includes(status)
  response.writeHead(refusedStatus(status), {
    ...headers,
    ...(isFinal && { 'x-should-retry': 'false' }), // else some agents repeat a call with a key that was refused
  })
  response.end(bytes)
}

const open = (call: RoutedCall, { limits, askForUsage }: CallContext): Promise<UpstreamAnswer> => {
  const { request, endpoint, query, signal, route, body: plain, asking } = call
  const send = (body: Buffer) =>
    callUpstream(
      {
        route,
        method: endpoint.method,
        url: new URL(joined(route.base_url, endpoint.path) + (endpoint.asGemini ? '' : query)),
        body: endpoint.method === 'GET' ? null : body,
        account: 'shared',
        clientHeaders: request.headers,
        waitForBytes: 0,
        isJson: false,
      },
      { ...limits, tries: 1 }, // agents try again themselves
      stopFrom(signal),
    )
  return asking ? askForUsage(route, { asking, plain }, send, refusalIn) : send(plain)
}

/** Sends a call and forwards its answer. The call is metered and paid before the last byte is sent. */
const carry = async (context: CallContext, call: RoutedCall, sent: () => void): Promise<void> => {
  const { backend, limits, moved } = context
  const { response, endpoint, signal, route } = call
  const { format, isCall } = endpoint
  const redactor = context.redactorFor(route.key === undefined ? [] : [route.key])
  const underWay = isCall ? context.meter.begin(call.usdPerToken) : undefined
  const end = (came: Partial<MeteredCall>) =>
    underWay?.end({ target: route, usage: null, stated: undefined, estimate: noTokens, failure: undefined, ...came })
  let meter: AnswerMeter | undefined
  try {
    const raw = await open(call, context)
    sent()
    moved()
    const read = metered(raw, endpoint.asGemini ? chatFormat : format)
    const answer = redactAnswer(read.answer, redactor)
    if (answer.kind === 'refused') {
      const instead = isCall ? backend.failed(answer.status) : undefined
      await end({ failure: meterFailure(answer.error) })
      return instead ? answerError(response, format, 400, instead) : tellRefusal(call, answer)
    }
    meter = read.meter
    response.writeHead(answer.status, answer.headers)
    await passOn(answer, response, {
      toGemini: endpoint.asGemini !== undefined,
      stalledSeconds: limits.insideIdleSeconds,
      signal,
      onPiece() {
        moved()
        const spent = underWay?.came(read.meter.tokens)
        if (spent) throw new AppError('budget_exceeded', spent.message)
      },
    })
    if (!isCall) return void response.end()
    const came = meter.end()
    if (came.isWhole) backend.answered()
    const failure = came.isWhole ? undefined : meterFailure(brokenOff(call, came))
    if (failure) failure.message = redactor?.scrub.text(failure.message) ?? failure.message
    await end({ ...spentOn(call, came), failure })
    if (came.isWhole || came.failure) response.end()
    else breakOff(response)
  } catch (thrown) {
    sent()
    const hasLeft = signal.aborted
    const error = toAppError(thrown)
    const isOurs = hasLeft || error.code === 'budget_exceeded'
    const instead = isCall && !isOurs ? backend.failed(undefined) : undefined
    await end({ ...spentOn(call, meter?.end()), failure: hasLeft ? 'left' : meterFailure(error) })
    if (hasLeft) return void response.destroy()
    const message = instead ?? `${route.provider.name} did not answer (${error.code})`
    answerError(response, format, instead ? 400 : 502, message)
  }
}

/** Refuses a call for which a budget is used up. */
const isSpent = ({ meter }: CallContext, { endpoint, response }: InsideCall): boolean => {
  const spent = endpoint.isCall ? meter.refusal() : undefined
  if (!spent) return false
  meter.refuse(spent)
  answerError(response, endpoint.format, 400, spent.message)
  return true
}

const unpriced = (model: string): AppError =>
  new AppError('price_unknown', `The price of the model '${model}' is unknown, and this runbook has a limit in dollars`)

const bodyOf = (asked: AskedModel, endpoint: ModelEndpoint, model: string): Buffer =>
  endpoint.asGemini
    ? chatFromGemini(asked.body, model, endpoint.asGemini === 'streamGenerateContent')
    : bodyFor(asked, endpoint, model)

/** Answers a count of tokens by an estimate: a provider that is called with chats offers none. */
const tellCount = (response: ServerResponse, body: Buffer): void => {
  const totalTokens = estimatedPrompt(body)
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ totalTokens }))
}

const routeFor = async (
  { models, options }: CallContext,
  { endpoint }: InsideCall,
  model: string,
): Promise<ModelRoute> => {
  const { provider, isCall } = endpoint
  const route = await models.account({ provider, model: isCall ? model : undefined }, options.caller)
  if (!isCall || options.budget.usd === null || (await hasPrice(route.provider, route.model))) return route
  throw unpriced(route.model)
}

/** Carries a call from a sandbox to its provider and back. Never throws. */
export const callModel = async (context: CallContext, call: InsideCall): Promise<void> => {
  const { limits, room, meter } = context
  const { request, response, endpoint } = call
  let giveBack = () => {}
  try {
    const read = await readBody(request, limits.bodyBytes, room)
    giveBack = read.giveBack
    context.moved()
    if (isSpent(context, call)) return
    const asked = readAskedModel(read.body, endpoint)
    if (endpoint.asGemini === 'countTokens') return tellCount(response, read.body)
    const route = await routeFor(context, call, asked.model)
    const body = bodyOf(asked, endpoint, route.model || asked.model)
    const usdPerToken = await pricePerToken(context, endpoint, route)
    if (isSpent(context, call)) return // by calls that began meanwhile
    const asking = askingBody(asked, endpoint, body)
    await carry(context, { ...call, route, body, asking, usdPerToken }, giveBack)
  } catch (thrown) {
    if (call.signal.aborted) return void response.destroy()
    const error = toAppError(thrown)
    if (endpoint.isCall) meter.refuse(meterFailure(error))
    answerError(response, endpoint.format, 400, error.message)
  } finally {
    giveBack()
  }
}
