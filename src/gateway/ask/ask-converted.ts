import type { z } from 'zod'
import { warningsHeader } from '../../http/warnings.ts'
import { AppError } from '../../lib/errors.ts'
import { now } from '../../lib/time.ts'
import { type ChatChunk, type ChatRequest, chatRequestSchema, type ModelCaller } from '../../model/gateway/chat.ts'
import { embeddingBody, embeddingRequestSchema } from '../../model/gateway/embedding.ts'
import { imageBody, imageRequestSchema } from '../../model/gateway/image.ts'
import type { Shape } from '../../model/gateway/shape.ts'
import type { Models, Route } from '../../providers/provider.ts'
import { type AskedCall, parsedBody, upstreamBody } from '../asked.ts'
import type { Frame, FrameSource } from '../relay/frames.ts'
import { framesFrom } from '../relay/frames-from.ts'
import { chatFromMessages, messageFromChat, messagesRequestSchema } from '../relay/messages-as-chat.ts'
import { messageEvents } from '../relay/messages-as-chat-stream.ts'
import type { Given } from './ask-native.ts'

type Converting = Pick<Models, 'call' | 'stream' | 'embed' | 'image'>

const jsonType = { 'content-type': 'application/json' }
const eventsType = { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache' }

/** The body as its shape has it. Throws `bad_request` that names the first member which does not fit. */
const readBody = <Schema extends z.ZodType>(schema: Schema, asked: AskedCall): z.output<Schema> => {
  const read = schema.safeParse(parsedBody(upstreamBody(asked, asked.model)))
  if (read.success) return read.data
  const issue = read.error.issues[0]
  throw new AppError('bad_request', `${issue?.path.join('.') ?? 'body'}: ${issue?.message ?? 'not valid'}`, {
    hint: 'Send the request as the reference of the provider has it.',
  })
}

const whole = (body: unknown): Given => ({
  kind: 'whole',
  status: 200,
  headers: jsonType,
  bytes: Buffer.from(JSON.stringify(body)),
  firstByteMs: now(),
})

const events = (source: FrameSource): Given => ({
  kind: 'events',
  status: 200,
  headers: eventsType,
  source,
  firstByteMs: now(),
})

/** The answer, with what of the request could not be passed on in a header. */
const warning = (given: Given, { warnings = [] }: { warnings?: string[] }): Given =>
  warnings.length === 0 ? given : { ...given, headers: { ...given.headers, ...warningsHeader(warnings) } }

const dataFrame = (data: string): Frame => ({ bytes: Buffer.from(`data: ${data}\n\n`), data })

const isUsage = ({ choices, usage }: ChatChunk): boolean => choices.length === 0 && Boolean(usage)

/**
 * The chunks of a chat as the events that OpenAI's clients read. What it used is asked for in any case, for the record;
 * a client that did not ask for it does not get it.
 */
const chatEvents = async function* (chunks: AsyncIterable<ChatChunk>, request: ChatRequest): AsyncGenerator<Frame> {
  const { include_usage: wanted } = (request.stream_options ?? {}) as { include_usage?: unknown }
  for await (const chunk of chunks) {
    const frame = dataFrame(JSON.stringify(chunk))
    yield wanted !== true && isUsage(chunk) ? { ...frame, bytes: Buffer.alloc(0) } : frame
  }
  yield dataFrame('[DONE]')
}

const noResponses = (route: Route): AppError =>
  new AppError('model_unavailable', `${route.provider.name} has no responses API`, {
    hint: 'Ask it with POST /v1/chat/completions, which every provider is asked with.',
  })

/** What a provider refused with, as an answer that keeps its status. */
const refusedBy = (error: AppError): Given | undefined => {
  const status = error.extra?.upstream_status
  if (typeof status !== 'number') return undefined
  const wait = error.retryAfterSeconds
  const headers = wait === undefined ? {} : { 'retry-after': String(Math.ceil(wait)) }
  return { kind: 'refused', status, headers, bytes: Buffer.alloc(0), firstByteMs: now(), error }
}

/**
 * Asks a provider that has another shape than the call: what the client sent is put into the provider's form, and what
 * comes back into the client's. Throws AppErrors for all but what the provider itself refused with.
 */
export const makeAskConverted = (models: Converting) => {
  const byChat = async (asked: AskedCall, request: ChatRequest, caller: ModelCaller, provider: string | undefined) => {
    const chosen = { provider }
    if (!asked.stream) return models.call(request, caller, chosen)
    return models.stream({ ...request, stream_options: { include_usage: true } }, caller, chosen)
  }

  const byShape = async (
    shape: Shape,
    route: Route,
    asked: AskedCall,
    caller: ModelCaller,
    own: AbortController,
  ): Promise<Given> => {
    const { model_provider: provider } = asked.block
    if (shape === 'responses') throw noResponses(route)
    if (shape === 'embeddings') {
      const request = readBody(embeddingRequestSchema, asked)
      const answer = await models.embed(request, caller, { provider })
      return warning(whole(embeddingBody(answer, request.encoding_format ?? 'float')), answer)
    }
    if (shape === 'images') {
      const request = readBody(imageRequestSchema, asked)
      const answer = await models.image(request, caller, { provider })
      return warning(whole(imageBody(answer, Math.floor(now() / 1000))), answer)
    }
    if (shape === 'messages') {
      const given = await byChat(asked, chatFromMessages(readBody(messagesRequestSchema, asked)), caller, provider)
      return 'chunks' in given
        ? warning(events(framesFrom(messageEvents(given.chunks, asked.model), own)), given)
        : warning(whole(messageFromChat(given.completion, asked.model)), given)
    }
    const request = readBody(chatRequestSchema, asked)
    const given = await byChat(asked, request, caller, provider)
    return 'chunks' in given
      ? warning(events(framesFrom(chatEvents(given.chunks, request), own)), given)
      : warning(whole(given.completion), given)
  }

  return async (shape: Shape, route: Route, asked: AskedCall, caller: ModelCaller): Promise<Given> => {
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
