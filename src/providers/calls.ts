import { createHash } from 'node:crypto'
import type { Dispatcher } from 'undici'
import { AppError } from '../lib/errors.ts'
import { isObject } from '../lib/json/json-object.ts'
import { makeLru } from '../lib/memory/lru.ts'
import { acceptedEncodings, tooLarge } from '../lib/net/body.ts'
import type { Fetch } from '../lib/net/net.ts'
import type { Open } from '../lib/net/open.ts'
import { countRoom } from '../lib/net/taken-room.ts'
import { byteSize } from '../lib/settings/byte-size.ts'
import type {
  CallModel,
  ChatCompletion,
  ChatMessage,
  ChatOptions,
  ChatRequest,
  ModelCaller,
  OutgoingCall,
  StreamModel,
} from '../model/gateway/chat.ts'
import type { CallCollector } from '../model/gateway/collected-call.ts'
import type { EmbedTexts } from '../model/gateway/embedding.ts'
import type { MakeImages } from '../model/gateway/image.ts'
import type { Shape } from '../model/gateway/shape.ts'
import { makeBatchClient } from './batches/batch-client.ts'
import { makeCollectedOpen } from './batches/collected-open.ts'
import { chargeFor, hasPrice } from './prices/prices.ts'
import {
  type Asked,
  type CallLimits,
  type Models,
  recordedModel,
  type Target,
  type WireCall,
  type WireProtocol,
} from './provider.ts'
import { refusesMode } from './upstream/errors.ts'
import { type PushStream, streamItems } from './upstream/push-stream.ts'
import { withRetries } from './upstream/retry.ts'
import { openUpstream } from './upstream/transport/open-upstream.ts'
import { stopFrom } from './upstream/transport/stop.ts'
import type { Upstream } from './upstream/upstream.ts'
import { makeUsageQuestion } from './upstream/usage/stream-usage.ts'
import { statedCostIn, usageIn } from './upstream/usage/usage.ts'
import { openAiWire } from './wires/openai/wire.ts'

const mostRemembered = 1_000
const rememberedMs = 3_600_000

/**
 * Makes the function that asks in JSON mode where the provider has one. If the model refuses the mode, it is asked
 * again without it, and for an hour nobody asks it in JSON mode.
 */
export const makeJsonMode = () => {
  const refused = makeLru<string, true>(mostRemembered, { ttl: rememberedMs })
  return async <Answer>(
    request: ChatRequest,
    { provider, base_url, model }: Pick<Target, 'provider' | 'base_url' | 'model'>,
    ask: (request: ChatRequest) => Promise<Answer>,
  ): Promise<Answer> => {
    const name = `${base_url} ${model}`
    if (!provider.json_mode || request.response_format || refused.has(name)) return ask(request)
    try {
      return await ask({ ...request, response_format: { type: 'json_object' } })
    } catch (error) {
      if (!refusesMode(error)) throw error
      const answer = await ask(request)
      refused.set(name, true)
      return answer
    }
  }
}

type Schema = Readonly<Record<string, unknown>>

/** Asks in words: the schema is part of the first system message. */
const instructed = (request: ChatRequest, schema: Schema): ChatRequest => {
  const text = `Answer with one JSON value and nothing else: no other words and no code fence. It must fit this JSON Schema:\n${JSON.stringify(schema)}`
  const [first, ...rest] = request.messages
  const isSystem = first?.role === 'system' && typeof first.content === 'string'
  const system: ChatMessage = { role: 'system', content: isSystem ? `${first.content}\n\n${text}` : text }
  return { ...request, messages: isSystem ? [system, ...rest] : [system, ...request.messages] }
}

const inFormat = (request: ChatRequest, schema: Schema): ChatRequest => ({
  ...request,
  response_format: { type: 'json_schema', json_schema: { name: 'answer', schema } },
})

const hashOf = (schema: Schema): string => createHash('sha256').update(JSON.stringify(schema)).digest('base64')

/**
 * Makes the function that asks for JSON that fits a schema: in the provider's own mode where it has one, otherwise in
 * words and in its JSON mode. If a model refuses a schema, it is asked in words, for an hour at once.
 */
export const makeSchemaMode = (inJsonMode: ReturnType<typeof makeJsonMode>) => {
  const refused = makeLru<string, true>(mostRemembered, { ttl: rememberedMs })
  return async <Answer>(
    { request, schema }: { request: ChatRequest; schema: Schema },
    target: Pick<Target, 'provider' | 'base_url' | 'model'>,
    ask: (request: ChatRequest) => Promise<Answer>,
  ): Promise<Answer> => {
    const inWords = () => {
      const asked = instructed(request, schema)
      return schema.type === 'object' ? inJsonMode(asked, target, ask) : ask(asked)
    }
    const name = `${target.base_url} ${target.model} ${hashOf(schema)}`
    if (!target.provider.schema_mode || refused.has(name)) return inWords()
    try {
      return await ask(inFormat(request, schema))
    } catch (error) {
      if (!refusesMode(error)) throw error
      const answer = await inWords()
      refused.set(name, true)
      return answer
    }
  }
}

/** A call is bounded by its step and by silence; this is for an answer that never ends. */
const longestSeconds = 3600
const defaultMaxBytes = 100 * 1024 * 1024

/** The bytes of an answer, bounded in size, time and memory. */
const bounded = async function* (
  answer: PushStream<Buffer>,
  from: string,
  maxBytes: number,
  room: ModelCaller['room'],
): AsyncGenerator<Buffer> {
  const until = performance.now() + longestSeconds * 1000
  const count = countRoom(room)
  let size = 0
  for await (const chunk of streamItems(answer)) {
    size += chunk.length
    if (size > maxBytes) throw tooLarge(from, maxBytes)
    if (performance.now() > until) {
      throw new AppError('timed_out', `The answer of ${from} took longer than ${longestSeconds} s`)
    }
    await count(chunk.length)
    yield chunk
  }
}

/** Makes the function by which a wire sends its requests: to the address of the call, through the agent meant for it. */
const makeOpenCall =
  (
    target: Upstream & Pick<Target, 'trusted'>,
    { agent, limits }: { agent(trusted: boolean): Promise<Dispatcher>; limits: CallLimits },
    { room, signal }: Pick<ModelCaller, 'room' | 'signal'>,
  ): Open =>
  async (url, request = {}) => {
    const { firstByteSeconds, idleSeconds, maxBytes = defaultMaxBytes } = limits
    const from = target.provider.name
    const response = await openUpstream(
      {
        upstream: target,
        agent: await agent(target.trusted),
        url: new URL(url),
        method: request.method === 'GET' ? 'GET' : 'POST',
        headers: { accept: '*/*', 'accept-encoding': acceptedEncodings, 'user-agent': 'jetty', ...request.headers },
        body: request.body ?? null,
        ...{ firstByteSeconds, idleSeconds },
      },
      stopFrom(signal),
    )
    const { status, headers, abort } = response
    return { status, headers, body: bounded(response, from, maxBytes, room), close: abort }
  }

const tooMany = (most: number): AppError =>
  new AppError('too_large', `The call names more than ${most} files to download`, {
    hint: 'Send fewer files, send their bytes instead of URLs, or raise JETTY_MAX_MEDIA_FILES.',
  })

const noneLeft = (most: number): AppError =>
  new AppError('too_large', `The files that the call names are larger than ${byteSize(most)} together`, {
    hint: 'Send fewer or smaller ones, or raise JETTY_MAX_FETCH_BYTES.',
  })

/**
 * Makes the function that downloads the files of one call, named by URLs in its request or answer. It reaches only hosts
 * that the collection may reach, one file after the other, and bounds their number and their total size.
 */
const makeDownload = (
  fetch: Fetch,
  { allowedHosts, room }: Pick<ModelCaller, 'allowedHosts' | 'room'>,
  { mediaFiles, maxBytes }: CallLimits,
): Fetch => {
  let count = 0
  let size = 0
  let last: Promise<unknown> = Promise.resolve()
  const next: Fetch = async (url, request) => {
    const left = maxBytes === undefined ? {} : { maxBytes: maxBytes - size }
    if (maxBytes !== undefined && size >= maxBytes) throw noneLeft(maxBytes)
    const answer = await fetch(url, { ...request, ...left, allowedHosts, room })
    size += (await answer.bytes()).length
    return answer
  }
  return (url, request) => {
    count += 1
    if (mediaFiles !== undefined && count > mediaFiles) return Promise.reject(tooMany(mediaFiles))
    const fetched = last.then(() => next(url, request))
    last = fetched.catch(() => {})
    return fetched
  }
}

export interface Ways {
  /** The guarded network. */
  fetch: Fetch
  /** The guarded agent, or the one that reaches the server's own base URLs. */
  agent(trusted: boolean): Promise<Dispatcher>
  limits: CallLimits
}

/** Resolves a model. Throws `model_unavailable`. */
type FindTarget = (asked: Asked, caller: ModelCaller, shape: Shape) => Promise<Target>

const textOf = (completion: ChatCompletion): string => {
  const content = completion.choices[0]?.message.content
  if (typeof content === 'string') return content
  return (content ?? []).map((part) => (typeof part.text === 'string' ? part.text : '')).join('')
}

/** A call of a target, as the rules of a collection see it. */
export const outgoingCall = ({ provider, model, base_url: url, trusted }: Target): OutgoingCall => ({
  provider: provider.id,
  model,
  url,
  trusted,
  hasPrice: () => hasPrice(provider, model),
})

const answeredBy = (target: Target) => ({ provider: target.provider.id, model: recordedModel(target) })

/** Combines wires, retries and prices to calls in OpenAI's shape, whichever provider answers. */
export const makeCalls = (
  ways: Ways,
  find: FindTarget,
): { call: CallModel; stream: StreamModel; embed: EmbedTexts; image: MakeImages; batches: Models['batches'] } => {
  /** The same for a chat that a batch may answer. It is admitted when it is sent, and not when its answer is read. */
  const beginCollected = async (chat: Asked, caller: ModelCaller, collect: CallCollector) => {
    const { admit, ...unchecked } = caller
    const [wire, call] = await begin(chat, unchecked, 'chat')
    const admitted = async () => admit?.call(caller, outgoingCall(call))
    const collected = makeCollectedOpen(call, collect, {
      open: call.open,
      admit: admitted,
      again: (work) => withRetries(work, triesOf(caller), caller),
    })
    if (!collected && !call.provider.wire.isBuiltIn) await admitted()
    return { wire, call: collected ? { ...call, open: collected.open } : call, collected }
  }
  const begin = async (asked: Asked, caller: ModelCaller, shape: Shape): Promise<[WireProtocol, WireCall]> => {
    const target = await find(asked, caller, shape)
    const call: WireCall = {
      ...target,
      open: makeOpenCall(target, ways, caller),
      download: makeDownload(ways.fetch, caller, ways.limits),
      // With a lent key, no variable of the caller's environment may influence the call.
      env: (name) => (target.provider.keys.some((key) => caller.lent?.(key)) ? undefined : caller.env(name)),
      limits: ways.limits,
      signal: caller.signal,
    }
    // A provider that answers OpenAI's shape is asked in it, so that gateway and steps get the same answer.
    const wire = target.native ? openAiWire : target.provider.wire
    return [await wire.load(), call]
  }
  const beginChat = async (chat: Asked, caller: ModelCaller) => {
    if (caller.collect) return beginCollected(chat, caller, caller.collect)
    const [wire, call] = await begin(chat, caller, 'chat')
    return { wire, call, collected: undefined }
  }
  const triesOf = ({ tries = ways.limits.tries }: ModelCaller) => ({ tries })
  const asked = (model: string, { provider, key }: ChatOptions = {}): Asked => ({ model, provider, key })
  const inJsonMode = makeJsonMode()
  const inSchemaMode = makeSchemaMode(inJsonMode)
  const askForUsage = makeUsageQuestion()

  return {
    batches: (of, signal) =>
      makeBatchClient(of, (upstream) => makeOpenCall(upstream, ways, { signal, room: undefined })),
    async call(request, caller, chosen) {
      const { wire, call, collected } = await beginChat(asked(request.model, chosen), caller)
      // A failure in a batch is left to the step: its retry goes into another batch.
      const complete = (sent: ChatRequest) =>
        collected ? wire.complete(sent, call) : withRetries(() => wire.complete(sent, call), triesOf(caller), caller)
      const { completion, warnings } = await (chosen?.schema
        ? inSchemaMode({ request, schema: chosen.schema }, call, complete)
        : chosen?.prefersJson
          ? inJsonMode(request, call, complete)
          : complete(request))
      const usage = usageIn(completion.usage)
      return {
        completion,
        text: textOf(completion),
        ...answeredBy(call),
        usage,
        ...(collected
          ? { cost_usd: collected.usd, isCharged: true as const }
          : { cost_usd: await chargeFor(call, usage, statedCostIn(completion.usage)) }),
        ...(warnings.length > 0 ? { warnings } : {}),
      }
    },
    async stream(request, caller, chosen) {
      const [wire, call] = await begin(asked(request.model, chosen), caller, 'chat')
      const { stream_options: options, ...plain } = request
      const asking = { ...plain, stream_options: { ...(isObject(options) && options), include_usage: true } }
      const open = (sent: ChatRequest) => withRetries(() => wire.stream(sent, call), triesOf(caller), caller)
      const { chunks, warnings } = await askForUsage(call, { asking, plain }, open)
      return { ...answeredBy(call), warnings, chunks }
    },
    async embed(request, caller, chosen) {
      const [wire, call] = await begin(asked(request.model, chosen), caller, 'embeddings')
      const { embeddings, usage, warnings } = await withRetries(
        () => wire.embed(request, call),
        triesOf(caller),
        caller,
      )
      return { embeddings, ...answeredBy(call), usage, cost_usd: await chargeFor(call, usage), warnings }
    },
    async image(request, caller, chosen) {
      const [wire, call] = await begin(asked(request.model, chosen), caller, 'images')
      const drawn = await withRetries(() => wire.draw(request, call), triesOf(caller), caller)
      const { images, text, usage, stated_cost: stated, warnings } = drawn
      return { images, text, ...answeredBy(call), usage, cost_usd: await chargeFor(call, usage, stated), warnings }
    },
  }
}
