import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { pipeline, type Readable } from 'node:stream'
import type { Dispatcher } from 'undici'
import { AppError, toAppError } from '../../lib/errors.ts'
import { decodersFor } from '../../lib/net/body.ts'
import { asNetworkError } from '../../lib/net/hop.ts'
import { makeScrubber, type Scrubber } from '../../lib/secrets/scrub.ts'
import type { ModelUsage } from '../../model/gateway/chat.ts'
import { joined } from '../../providers/address.ts'
import { costOf, hasPrice } from '../../providers/prices/prices.ts'
import type { Models, Route } from '../../providers/provider.ts'
import { onTheWay, refusal } from '../../providers/wires/refusal.ts'
import type { GatewayLimits } from '../limits.ts'
import { type CallUnderWay, failureOf, type Meter, type MeteredCall } from '../meter.ts'
import { type ByteRoom, readBody } from '../request-body.ts'
import type { GatewayOptions } from '../sandbox-gateway.ts'
import { type AnswerReader, makeAnswerReader, type ReadAnswer } from './answer-reader.ts'
import { type AskedModel, bodyFor, readAskedModel } from './asked-model.ts'
import type { Backend } from './backend.ts'
import { headersToInside, headersToProvider } from './call-headers.ts'
import { chatFromGemini } from './chat-from-gemini.ts'
import type { Endpoint } from './endpoints.ts'
import { geminiFromChat, type Translation } from './gemini-from-chat.ts'
import { tellError } from './told-error.ts'

export interface CallContext {
  models: Models
  options: GatewayOptions
  limits: GatewayLimits
  meter: Meter
  backend: Backend
  room: ByteRoom
  /** Something went through. */
  moved(): void
}

/** One request for a model, on its way. */
export interface InsideCall {
  request: IncomingMessage
  response: ServerResponse
  endpoint: Endpoint
  /** Without the key that may stand in it. */
  query: string
  /** Fires when the inside leaves, or everything is cut off. */
  signal: AbortSignal
}

/** Of the answer of somebody who refuses, so much is read. */
const refusedBytes = 1024 * 1024
/** As a rule of thumb; a budget would rather count too much. */
const bytesPerToken = 4

/** What a call comes to where its provider counts nothing. */
export const estimated = (sentBytes: number, completion_tokens: number): ModelUsage => {
  const prompt_tokens = Math.ceil(sentBytes / bytesPerToken)
  return { prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens }
}
const thousandTokens: ModelUsage = { prompt_tokens: 0, completion_tokens: 1000, total_tokens: 1000 }
export const nothingSpent: ModelUsage = { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 }

/** Waits until the inside has taken what was written; rejects when it leaves, or takes nothing for too long. */
const taken = async (response: ServerResponse, seconds: number, signal: AbortSignal): Promise<void> => {
  const late = new AbortController()
  const timer = setTimeout(() => late.abort(), seconds * 1000)
  try {
    await once(response, 'drain', { signal: AbortSignal.any([signal, late.signal]) })
  } finally {
    clearTimeout(timer)
  }
}

const left = () => new AppError('cancelled', 'The inside went away before the answer was there')

/** Sends the request; undici does not look at a signal while it still connects. */
const send = (
  route: Route,
  url: URL,
  request: Pick<Dispatcher.RequestOptions, 'method' | 'headers' | 'body'>,
  limits: GatewayLimits,
  signal: AbortSignal,
): Promise<Dispatcher.ResponseData> => {
  const asked = route.agent.request({
    origin: url.origin,
    path: url.pathname + url.search,
    ...request,
    headersTimeout: limits.firstByteSeconds * 1000,
    bodyTimeout: limits.idleSeconds * 1000,
    signal,
  })
  const leaving = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(left()), { once: true })
    if (signal.aborted) reject(left())
  })
  asked.then(({ body }) => signal.aborted && body.on('error', () => {}).destroy()).catch(() => {})
  return Promise.race([asked, leaving])
}

const unpacked = (answer: Dispatcher.ResponseData, from: string): Readable => {
  answer.body.on('error', () => {})
  return decodersFor(String(answer.headers['content-encoding'] ?? ''), from).reduce<Readable>(
    (packed, decoder) => pipeline(packed, decoder, () => {}),
    answer.body,
  )
}

const beginningOf = async (body: Readable): Promise<Buffer> => {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of body as AsyncIterable<Buffer>) {
    chunks.push(chunk)
    size += chunk.length
    if (size > refusedBytes) break
  }
  return Buffer.concat(chunks).subarray(0, refusedBytes)
}

/** What an answer passes on its way. */
interface Readers {
  reader: AnswerReader
  scrub: Scrubber
  said: Translation
  underWay: CallUnderWay | undefined
}

/** Passes an answer on as it comes, and reads along. Throws where either side breaks off. */
const passOn = async (
  body: Readable,
  response: ServerResponse,
  { reader, scrub, said, underWay }: Readers,
  { limits, moved }: CallContext,
  signal: AbortSignal,
): Promise<void> => {
  const clean = scrub.bytes()
  for await (const chunk of body as AsyncIterable<Buffer>) {
    moved()
    reader.push(chunk)
    const spent = underWay?.came(reader.events)
    if (spent) throw new AppError('budget_exceeded', spent.message)
    const shown = said.push(clean.push(chunk))
    if (shown.length > 0 && !response.write(shown)) await taken(response, limits.insideIdleSeconds, signal)
    if (signal.aborted) throw left()
  }
  const rest = Buffer.concat([said.push(clean.rest()), said.rest()])
  if (rest.length > 0) response.write(rest)
}

const asItIs: Translation = { push: (chunk) => chunk, rest: () => Buffer.alloc(0) }

/** What was counted at the beginning of an answer that broke off says nothing of what came after. */
const asFarAsItCame = (came: ReadAnswer): ReadAnswer => {
  const { usage, isWhole, leastTokens } = came
  if (isWhole || !usage || usage.completion_tokens >= leastTokens) return came
  const { prompt_tokens } = usage
  return {
    ...came,
    usage: { ...usage, completion_tokens: leastTokens, total_tokens: prompt_tokens + leastTokens },
  }
}

const cutShort = (name: string, { failure }: ReadAnswer, scrub: Scrubber): AppError =>
  failure
    ? new AppError(
        'upstream_failed',
        `${name} broke its answer off with an error: ${scrub.text(failure.message).slice(0, 500)}`,
      )
    : new AppError('upstream_failed', `${name} ended its answer in the middle`)

/** Of what is answered, in US dollars; 0 where no budget asks for it, or nobody knows. */
const pricePerToken = async ({ options }: CallContext, { isCall }: Endpoint, route: Route): Promise<number> =>
  options.budget.usd === null || !isCall ? 0 : ((await costOf(route, thousandTokens)) ?? 0) / 1000

/** Asks the provider and passes its answer on; what it came to is counted before the last byte leaves. */
const carry = async (
  context: CallContext,
  call: InsideCall,
  { route, body, usdPerToken }: { route: Route; body: Buffer; usdPerToken: number },
  sent: () => void,
) => {
  const { meter, backend } = context
  const { request, response, endpoint, query, signal } = call
  const { provider } = route
  const scrub = makeScrubber(route.key === undefined ? [] : [['key', route.key]])
  const underWay = endpoint.isCall ? meter.begin(usdPerToken) : undefined
  const end = (came: Partial<MeteredCall>) =>
    underWay?.end({
      target: route,
      usage: null,
      stated: undefined,
      estimate: nothingSpent,
      failure: undefined,
      ...came,
    })
  let reader: AnswerReader | undefined
  try {
    const url = new URL(joined(route.base_url, endpoint.path) + (endpoint.asGemini ? '' : query))
    const headers = headersToProvider(request.headers, route.headers)
    const answer = await send(
      route,
      url,
      { method: endpoint.method, headers, body: endpoint.method === 'GET' ? null : body },
      context.limits,
      signal,
    )
    sent()
    context.moved()
    const status = answer.statusCode
    const shown = headersToInside(answer.headers, scrub.text)
    const bytes = unpacked(answer, provider.name)
    if (status < 200 || status > 299) {
      const text = (await beginningOf(bytes)).toString()
      bytes.destroy()
      const flat = Object.fromEntries(
        Object.entries(answer.headers).map(([name, value]) => [
          name,
          Array.isArray(value) ? value.join() : (value ?? ''),
        ]),
      )
      const error = refusal(route, status, text, flat)
      const instead = endpoint.isCall ? backend.failed(status) : undefined
      await end({ failure: failureOf(error) })
      if (instead) return tellError(response, endpoint.language, 400, instead)
      if (endpoint.asGemini) return tellError(response, 'gemini', status, error.message)
      const isFinal = status < 500 && ![408, 409, 429].includes(status)
      response.writeHead(status >= 300 && status < 400 ? 502 : status, {
        ...shown,
        ...(isFinal && { 'x-should-retry': 'false' }), // else some ask again with a key that was refused
      })
      return void response.end(scrub.text(text))
    }
    const type = shown['content-type']
    reader = makeAnswerReader(endpoint.asGemini ? 'chat' : endpoint.language, type)
    response.writeHead(status, shown)
    const said = endpoint.asGemini ? geminiFromChat(type) : asItIs
    await passOn(bytes, response, { reader, scrub, said, underWay }, context, signal)
    const came = reader.end()
    const estimate = endpoint.language === 'prediction' ? nothingSpent : estimated(body.length, came.leastTokens)
    if (!endpoint.isCall) return void response.end()
    if (came.isWhole) backend.answered()
    await end({
      ...asFarAsItCame(came),
      estimate,
      failure: came.isWhole ? undefined : failureOf(cutShort(provider.name, came, scrub)),
    })
    if (came.isWhole || came.failure) response.end()
    else response.destroy()
  } catch (thrown) {
    sent()
    const hasLeft = signal.aborted
    const error = toAppError(
      onTheWay(
        asNetworkError(thrown, { method: 'POST', url: new URL(route.base_url), headers: {}, body: undefined }),
        route,
      ),
    )
    const came = reader?.end()
    const estimate = came ? estimated(body.length, came.leastTokens) : nothingSpent
    const isOurs = hasLeft || error.code === 'budget_exceeded'
    const instead = endpoint.isCall && !isOurs ? backend.failed(undefined) : undefined
    await end({ ...(came && asFarAsItCame(came)), estimate, failure: hasLeft ? 'left' : failureOf(error) })
    if (hasLeft) response.destroy()
    else
      tellError(
        response,
        endpoint.language,
        instead ? 400 : 502,
        instead ?? `${provider.name} did not answer (${error.code})`,
      )
  }
}

const refused = (context: CallContext, call: InsideCall, error: AppError): void => {
  if (call.endpoint.isCall) context.meter.refuse(failureOf(error))
  tellError(call.response, call.endpoint.language, 400, error.message)
}

/** Whether a budget is used up; then it is told so. */
const isSpent = ({ meter }: CallContext, { endpoint, response }: InsideCall): boolean => {
  const spent = endpoint.isCall ? meter.refusal() : undefined
  if (!spent) return false
  meter.refuse(spent)
  tellError(response, endpoint.language, 400, spent.message)
  return true
}

const unpriced = (model: string): AppError =>
  new AppError('price_unknown', `nobody knows what the model '${model}' costs, and this runbook has a limit in dollars`)

const bodyOf = (asked: AskedModel, endpoint: Endpoint, model: string): Buffer =>
  endpoint.asGemini
    ? chatFromGemini(asked.body, model, endpoint.asGemini === 'streamGenerateContent')
    : bodyFor(asked, endpoint, model)

/** Whoever is asked in a chat counts nothing beforehand. */
const tellCount = (response: ServerResponse, body: Buffer): void => {
  const totalTokens = estimated(body.length, 0).prompt_tokens
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ totalTokens }))
}

/** Carries one call of a model from the inside to its provider and back. Never throws. */
export const callModel = async (context: CallContext, call: InsideCall): Promise<void> => {
  const { models, options, limits, room } = context
  const { request, response, endpoint } = call
  let giveBack = () => {}
  try {
    const read = await readBody(request, limits.bodyBytes, room)
    giveBack = read.giveBack
    context.moved()
    if (isSpent(context, call)) return
    const asked = readAskedModel(read.body, endpoint)
    const model = endpoint.isCall ? asked.model : undefined
    if (endpoint.asGemini === 'countTokens') return tellCount(response, read.body)
    const route = await models.account({ provider: endpoint.provider, model }, options.caller)
    if (endpoint.isCall && options.budget.usd !== null && !(await hasPrice(route.provider, route.model))) {
      throw unpriced(route.model)
    }
    const body = bodyOf(asked, endpoint, route.model || asked.model)
    const usdPerToken = await pricePerToken(context, endpoint, route)
    if (isSpent(context, call)) return // by those who have begun meanwhile
    await carry(context, call, { route, body, usdPerToken }, giveBack)
  } catch (thrown) {
    if (call.signal.aborted) return void response.destroy()
    refused(context, call, toAppError(thrown))
  } finally {
    giveBack()
  }
}
