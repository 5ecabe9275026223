import type { z } from 'zod'
import { tooManyValues } from '../../http/input/body.ts'
import { warningsHeader } from '../../http/warnings.ts'
import { AppError } from '../../lib/errors.ts'
import { isObject, type JsonObject } from '../../lib/json/json-object.ts'
import { parseLarge } from '../../lib/json/large-json.ts'
import { measureJson } from '../../lib/memory/json-memory.ts'
import { doInSlices } from '../../lib/slices.ts'
import { now } from '../../lib/time.ts'
import { type ChatChunk, type ChatRequest, chatRequestSchema, type ModelCaller } from '../../model/gateway/chat.ts'
import { type EmbeddingAnswer, embeddingRequestSchema } from '../../model/gateway/embedding.ts'
import { geminiRequestSchema } from '../../model/gateway/gateway-call.ts'
import { type ImageAnswer, imageRequestSchema } from '../../model/gateway/image.ts'
import { isCount, type Shape, shapeFacts } from '../../model/gateway/shape.ts'
import type { ModelRoute, Models } from '../../providers/provider.ts'
import type { UpstreamAnswer } from '../../providers/upstream/answer.ts'
import { chatOfGemini, geminiAnswer, geminiChunks } from '../../providers/upstream/convert/gemini.ts'
import {
  chatFromMessages,
  messageEvents,
  messageFromChat,
  messagesRequestSchema,
} from '../../providers/upstream/convert/messages-and-chat.ts'
import { cutOff } from '../../providers/upstream/errors.ts'
import { type Frame, type FrameStream, framesFrom } from '../../providers/upstream/frames/sse.ts'
import { estimatedPrompt } from '../../providers/upstream/usage/estimate.ts'
import { effortOf, isOff, wordOf } from '../../providers/wires/ai-sdk/effort.ts'
import { type AskedCall, noJson, upstreamBody } from '../read-call.ts'

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
  return checked(schema, body)
}

const checked = <Schema extends z.ZodType>(schema: Schema, body: unknown): z.output<Schema> => {
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

const noSuchCall = (shape: Shape, { provider, model }: ModelRoute): AppError => {
  const { insteadChat } = shapeFacts[shape]
  const instead = insteadChat ? `: call '${model}' with POST /v1/chat/completions` : ''
  const hint = insteadChat
    ? 'Every provider answers chat completions.'
    : 'Name a model of another provider, and set the key of that in the environment of the collection.'
  return new AppError('model_unavailable', `${provider.name} has no ${shape} API${instead}`, { hint })
}

/**
 * A chat without members that copies of OpenAI's API refuse, with a warning for each. Other protocols have them, and OpenRouter
 * passes them on.
 */
const withoutForeign = (
  chat: JsonObject,
  { provider, model }: ModelRoute,
): { chat: JsonObject; warnings: string[] } => {
  if (provider.paths.chat === undefined || provider.id === 'openrouter') return { chat, warnings: [] }
  const { top_k: topK, reasoning, ...rest } = chat
  const effort = isObject(reasoning) ? effortOf({ model, messages: [], reasoning }) : undefined
  const isKnown = effort !== undefined && !isOff(effort) && provider.renamed_max_tokens?.test(model) === true
  const left = [
    ...(topK === undefined ? [] : ['topK']),
    ...(reasoning === undefined || isKnown ? [] : ['thinkingConfig']),
  ]
  return {
    chat: { ...rest, ...(isKnown && { reasoning_effort: wordOf(effort) }) },
    warnings: left.map((name) => `generationConfig.${name} cannot be sent to ${provider.name} and was left out`),
  }
}

/** Answers a count of tokens by an estimate, and says so. */
const estimatedCount = (shape: Shape, asked: AskedCall, { provider }: ModelRoute): UpstreamAnswer => {
  const count = estimatedPrompt(upstreamBody(asked, asked.model))
  const body = shape === 'message_tokens' ? { input_tokens: count } : { totalTokens: count }
  const why = `${provider.name} is not asked to count: this is an estimate from the characters of the request`
  return warning(whole({ ...body, estimated: true }), { warnings: [why] })
}

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
export const makeAskConverted = (models: Converting, mostValues: number) => {
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
    if (isCount(shape)) return estimatedCount(shape, asked, route)
    if (shape === 'gemini') {
      const sent = await readBody(geminiRequestSchema, asked, mostValues)
      const { chat, warnings } = withoutForeign(chatOfGemini(sent, asked.model), route)
      const given = await byChat(asked, checked(chatRequestSchema, chat), caller, provider)
      const all = { warnings: [...warnings, ...(given.warnings ?? [])] }
      if ('chunks' in given) return warning(events(framesFrom(geminiChunks(given.chunks), own)), all)
      const answer = geminiAnswer(given.completion)
      if (!answer) throw cutOff(route)
      return warning(whole(answer), all)
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
    if (shape !== 'chat') throw noSuchCall(shape, route)
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
