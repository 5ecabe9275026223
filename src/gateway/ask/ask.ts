import type { IncomingHttpHeaders } from 'node:http'
import type { z } from 'zod'
import type { Environment } from '../../engine/environment/environment.ts'
import { tooManyValues } from '../../http/input/body.ts'
import { warningsHeader } from '../../http/warnings.ts'
import { AppError } from '../../lib/errors.ts'
import { inTime, neededInTime } from '../../lib/in-time.ts'
import { parseLarge } from '../../lib/json/large-json.ts'
import { measureJson } from '../../lib/memory/json-memory.ts'
import { makeLru } from '../../lib/memory/lru.ts'
import { doInSlices } from '../../lib/slices.ts'
import { now } from '../../lib/time.ts'
import { lentKeyPlaceholder } from '../../model/collections/trial.ts'
import { type ChatChunk, type ChatRequest, chatRequestSchema, type ModelCaller } from '../../model/gateway/chat.ts'
import { type EmbeddingAnswer, embeddingRequestSchema } from '../../model/gateway/embedding.ts'
import { type ImageAnswer, imageRequestSchema } from '../../model/gateway/image.ts'
import type { Shape } from '../../model/gateway/shape.ts'
import { type FallbackOptions, mayFallBack, withFallback } from '../../providers/fallback.ts'
import { type ModelRoute, type Models, recordedModel } from '../../providers/provider.ts'
import { refusalIn, type UpstreamAnswer } from '../../providers/upstream/answer.ts'
import { callUpstream, type UpstreamLimits } from '../../providers/upstream/call-upstream.ts'
import {
  chatFromMessages,
  messageEvents,
  messageFromChat,
  messagesRequestSchema,
} from '../../providers/upstream/convert/messages-and-chat.ts'
import { type Frame, type FrameStream, framesFrom } from '../../providers/upstream/frames/sse.ts'
import { makeKeyRedactors } from '../../providers/upstream/redact/key-redactor.ts'
import { redactAnswer } from '../../providers/upstream/redact/redact-answer.ts'
import { redactSecrets } from '../../providers/upstream/redact/redact-secrets.ts'
import type { Stop } from '../../providers/upstream/transport/stop.ts'
import { makeUsageQuestion } from '../../providers/upstream/usage/stream-usage.ts'
import type { AnswerCache } from '../../store/calls/answer-cache.ts'
import type { CallGuard } from '../../store/calls/call-guard.ts'
import { type AskedCall, askedOf, askingBody, noJson, upstreamBody } from '../read-call.ts'
import type { Ticket } from '../ticket.ts'
import { cacheHash, replayed } from './answer-cache.ts'

type Refused = Extract<UpstreamAnswer, { kind: 'refused' }>

/**
 * Asks the named model, and its fallback models if it cannot answer. Nothing has been shown to the client by then. Returns
 * the last refusal as it came; throws the failure of the last model asked.
 */
export const askWithFallbacks = async (
  models: readonly [string, ...string[]],
  ask: (model: string, place: number) => Promise<UpstreamAnswer>,
  options: FallbackOptions,
): Promise<UpstreamAnswer> => {
  const refusals = new Map<AppError, Refused>()
  try {
    return await withFallback(
      models,
      async (model, place) => {
        const given = await ask(model, place)
        if (given.kind !== 'refused' || !mayFallBack(given.error)) return given
        refusals.set(given.error, given)
        throw given.error
      },
      options,
    )
  } catch (error) {
    const refused = refusals.get(error as AppError)
    if (refused) return refused
    throw error
  }
}

/** Builds OpenAI's answer, `created` in seconds, with the bytes inside, since they have no public URL. */
const imageBody = (answer: ImageAnswer, created: number) => ({
  created,
  data: answer.images.map(({ bytes, revised_prompt: revised }) => ({
    b64_json: Buffer.from(bytes).toString('base64'),
    ...(revised === undefined ? {} : { revised_prompt: revised }),
  })),
  ...(answer.usage === null
    ? {}
    : {
        usage: {
          input_tokens: answer.usage.prompt_tokens,
          output_tokens: answer.usage.completion_tokens,
          total_tokens: answer.usage.total_tokens,
        },
      }),
})

const asBase64 = (vector: number[]): string => Buffer.from(Float32Array.from(vector).buffer).toString('base64')

/** Builds OpenAI's answer; `base64` is little-endian 32-bit floats, which its clients request. */
export const embeddingBody = (answer: EmbeddingAnswer, format: 'float' | 'base64' = 'float') => ({
  object: 'list',
  data: answer.embeddings.map((vector, index) => ({
    object: 'embedding',
    index,
    embedding: format === 'base64' ? asBase64(vector) : vector,
  })),
  model: answer.model,
  usage: { prompt_tokens: answer.usage?.prompt_tokens ?? 0, total_tokens: answer.usage?.total_tokens ?? 0 },
})

type Converting = Pick<Models, 'call' | 'stream' | 'embed' | 'image'>

const jsonType = { 'content-type': 'application/json' }
const eventsType = { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache' }

/** Parses the body. Throws `bad_request` with the first member that does not fit, `too_large` for too many values. */
const readBody = async <Schema extends z.ZodType>(
  schema: Schema,
  asked: AskedCall,
  mostValues: number,
): Promise<z.output<Schema>> => {
  const text = upstreamBody(asked, asked.model).toString()
  const { values } = await doInSlices(measureJson(text))
  if (values > mostValues) throw tooManyValues(mostValues)
  const body = await parseLarge(text).catch(() => {
    throw noJson()
  })
  const read = schema.safeParse(body)
  if (read.success) return read.data
  const issue = read.error.issues[0]
  throw new AppError('bad_request', `${issue?.path.join('.') ?? 'body'}: ${issue?.message ?? 'not valid'}`, {
    hint: 'Write the request as the API reference of the provider describes it.',
  })
}

const whole = (body: unknown): UpstreamAnswer => ({
  kind: 'whole',
  status: 200,
  headers: jsonType,
  bytes: Buffer.from(JSON.stringify(body)),
  firstByteMs: now(),
})

const events = (source: FrameStream): UpstreamAnswer => ({
  kind: 'events',
  status: 200,
  headers: eventsType,
  source,
  firstByteMs: now(),
})

/** Adds a header with the members of the request that could not be passed on. */
const warning = (given: UpstreamAnswer, { warnings = [] }: { warnings?: string[] }): UpstreamAnswer =>
  warnings.length === 0 ? given : { ...given, headers: { ...given.headers, ...warningsHeader(warnings) } }

const dataFrame = (data: string): Frame => ({ bytes: Buffer.from(`data: ${data}\n\n`), data })

/** Turns the chunks of a chat into the events that OpenAI's clients read. */
const chatEvents = async function* (chunks: AsyncIterable<ChatChunk>): AsyncGenerator<Frame> {
  for await (const chunk of chunks) yield dataFrame(JSON.stringify(chunk))
  yield dataFrame('[DONE]')
}

const noResponses = (route: ModelRoute): AppError =>
  new AppError(
    'model_unavailable',
    `${route.provider.name} has no responses API: call '${route.model}' with POST /v1/chat/completions`,
    { hint: 'Every provider answers chat completions.' },
  )

/** The refusal of a provider as an answer with the same status. */
const refusedBy = (error: AppError): UpstreamAnswer | undefined => {
  const status = error.extra?.upstream_status
  if (typeof status !== 'number') return undefined
  const wait = error.retryAfterSeconds
  const headers = wait === undefined ? {} : { 'retry-after': String(Math.ceil(wait)) }
  return { kind: 'refused', status, headers, bytes: Buffer.alloc(0), firstByteMs: now(), error }
}

/**
 * Makes the function that asks a provider of another shape than the call: converts the request, of at most `mostValues`
 * members, lists and objects, and the answer back.
 * Returns a refusal of the provider as an answer; throws AppErrors for everything else.
 */
const makeAskConverted = (models: Converting, mostValues: number) => {
  const byChat = async (asked: AskedCall, request: ChatRequest, caller: ModelCaller, provider: string | undefined) => {
    const chosen = { provider }
    return asked.stream ? models.stream(request, caller, chosen) : models.call(request, caller, chosen)
  }

  const byShape = async (
    shape: Shape,
    route: ModelRoute,
    asked: AskedCall,
    caller: ModelCaller,
    own: AbortController,
  ): Promise<UpstreamAnswer> => {
    const { model_provider: provider } = asked.block
    if (shape === 'responses') throw noResponses(route)
    if (shape === 'embeddings') {
      const request = await readBody(embeddingRequestSchema, asked, mostValues)
      const answer = await models.embed(request, caller, { provider })
      return warning(whole(embeddingBody(answer, request.encoding_format ?? 'float')), answer)
    }
    if (shape === 'images') {
      const request = await readBody(imageRequestSchema, asked, mostValues)
      const answer = await models.image(request, caller, { provider })
      return warning(whole(imageBody(answer, Math.floor(now() / 1000))), answer)
    }
    if (shape === 'messages') {
      const given = await byChat(
        asked,
        chatFromMessages(await readBody(messagesRequestSchema, asked, mostValues)),
        caller,
        provider,
      )
      return 'chunks' in given
        ? warning(events(framesFrom(messageEvents(given.chunks, asked.model), own)), given)
        : warning(whole(messageFromChat(given.completion, asked.model)), given)
    }
    const request = await readBody(chatRequestSchema, asked, mostValues)
    const given = await byChat(asked, request, caller, provider)
    return 'chunks' in given
      ? warning(events(framesFrom(chatEvents(given.chunks), own)), given)
      : warning(whole(given.completion), given)
  }

  return async (shape: Shape, route: ModelRoute, asked: AskedCall, caller: ModelCaller): Promise<UpstreamAnswer> => {
    const own = new AbortController()
    caller.signal.addEventListener('abort', () => own.abort(caller.signal.reason), { once: true })
    try {
      return await byShape(shape, route, asked, { ...caller, signal: own.signal }, own)
    } catch (error) {
      if (caller.signal.aborted) throw caller.signal.reason
      const refused = error instanceof AppError ? refusedBy(error) : undefined
      if (refused) return refused
      throw error
    }
  }
}

export interface AskDeps {
  models: Pick<Models, 'route' | 'call' | 'stream' | 'embed' | 'image'>
  /** Decides whether the collection allows a call, before it is sent. */
  guard: CallGuard
  cache: AnswerCache
  limits: UpstreamLimits & {
    fallbackSeconds: number
    /** Maximum values of a body that is converted, as `JETTY_MAX_BODY_VALUES` counts them. */
    bodyValues: number
  }
}

/** A call to answer, and what its client sent beside the body. */
interface ToAsk {
  ticket: Ticket
  asked: AskedCall
  environment: Environment
  headers: IncomingHttpHeaders
  stop: Stop
}

/** An answer of up to this size is waited for: it can then be checked, tried again, and sent with its length. */
const waitForBytes = 64 * 1024

/** Every key that the provider may have been called with: some providers take more than one. */
const keysOf = ({ key, provider }: ModelRoute, environment: Environment): string[] => {
  const [name, ...more] = provider.keys
  const isOnly = key !== undefined && more.length === 0 && name !== undefined && environment.get(name) === key
  if (isOnly) return key === lentKeyPlaceholder ? [] : [key]
  const others = provider.keys.flatMap((name) => environment.get(name)?.trim() ?? [])
  return [...new Set([...(key === undefined ? [] : [key]), ...others])].filter((one) => one !== lentKeyPlaceholder)
}

const knownUrls = makeLru<string, URL>(1000)

/** Parses an address of a provider, which is the same for most calls. */
const urlOf = (text: string): URL => {
  const known = knownUrls.get(text)
  if (known) return known
  const url = new URL(text)
  knownUrls.set(text, url)
  return url
}

/** Sends a body to a provider that speaks the shape of the call. */
const sendBody = (
  body: Buffer,
  route: ModelRoute,
  { asked, headers, stop }: ToAsk,
  limits: UpstreamLimits,
): Promise<UpstreamAnswer> =>
  callUpstream(
    {
      route,
      method: 'POST',
      url: urlOf(route.url),
      body,
      account: route.lent ? 'shared' : 'own',
      clientHeaders: headers,
      ownHeaders: {
        'content-type': 'application/json',
        accept: asked.stream ? 'text/event-stream' : 'application/json',
      },
      waitForBytes,
      isJson: true,
    },
    limits,
    stop,
  )

/**
 * Makes the function that answers a call: from the cache if it holds the answer to the same request, else from the model
 * that was named, else from its fallback models, each within what the collection allows.
 */
export const makeAsk = ({ models, guard, cache, limits }: AskDeps) => {
  const askConverted = makeAskConverted(models, limits.bodyValues)
  const askForUsage = makeUsageQuestion()
  const redactorFor = makeKeyRedactors()

  /** Sends the client's bytes, with a question for the usage of a stream. */
  const askNative = (route: ModelRoute, call: ToAsk): Promise<UpstreamAnswer> => {
    const plain = upstreamBody(call.asked, route.model)
    const send = (body: Buffer) => {
      call.ticket.hidesUsage = body !== plain
      return sendBody(body, route, call, limits)
    }
    if (!call.asked.hidesUsage) return send(plain)
    return askForUsage(route, { asking: askingBody(call.asked, plain), plain }, send, refusalIn)
  }

  /** A database outage is a cache miss. */
  const fromCache = async (
    route: ModelRoute,
    { ticket, asked, headers }: ToAsk,
  ): Promise<UpstreamAnswer | undefined> => {
    const hash = cacheHash(ticket.shape, route, upstreamBody(asked, route.model), headers)
    ticket.cacheKey = { collectionId: ticket.place.collectionId, hash }
    const kept = await inTime(cache.find(ticket.cacheKey)).catch(() => undefined)
    if (!kept) return undefined
    ticket.cached = true
    return replayed(kept)
  }

  const askOne = async (call: ToAsk): Promise<UpstreamAnswer> => {
    const { ticket, asked, environment, stop } = call
    const { shape, place, settings } = ticket
    const caller: Omit<ModelCaller, 'signal'> = {
      env: environment.get,
      lent: environment.lent,
      admit: async (outgoing) => neededInTime(guard({ collectionId: place.collectionId, settings }, outgoing)),
      allowedHosts: settings.allowed_hosts ?? undefined,
    }
    const route = await models.route({ model: asked.model, provider: asked.block.model_provider }, caller, shape)
    ticket.provider = route.provider
    ticket.model = recordedModel(route)
    const isCaching = asked.block.cache ?? settings.cache_calls ?? false
    const kept = isCaching ? await fromCache(route, call) : undefined
    if (kept) return kept
    const answer = await (route.native
      ? askNative(route, call)
      : askConverted(ticket.shape, route, asked, { ...caller, signal: stop.signal }))
    return redactAnswer(answer, redactorFor(keysOf(route, environment)))
  }

  return (call: ToAsk): Promise<UpstreamAnswer> => {
    const { ticket, asked } = call
    const others = asked.block.fallback_models ?? ticket.settings.fallback_models ?? []
    const askModel = (model: string, place: number) =>
      askOne(place === 0 ? call : { ...call, asked: askedOf(asked, model) })
    const answer = askWithFallbacks([asked.model, ...others], askModel, {
      seconds: limits.fallbackSeconds,
      onFallback: (failed) => ticket.attempts.push({ ...failed, message: ticket.scrub.text(failed.message) }),
    })
    return redactSecrets(answer, ticket.scrub)
  }
}
