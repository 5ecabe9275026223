import type { z } from 'zod'
import { AppError } from '../lib/errors.ts'
import { type ChatChunk, type ChatRequest, chatRequestSchema, type ModelCaller } from '../model/chat.ts'
import { embeddingBody, embeddingRequestSchema } from '../model/embedding.ts'
import { imageBody, imageRequestSchema } from '../model/image.ts'
import type { Shape } from '../model/shape.ts'
import type { Models, Route } from '../providers/provider.ts'
import type { Given } from './ask-native.ts'
import { type AskedCall, upstreamBody } from './asked.ts'
import { type Frame, type FrameSource, framesFrom } from './frames-from.ts'
import { chatFromMessages, messageFromChat, messagesRequestSchema } from './messages-as-chat.ts'
import { messageEvents } from './messages-as-chat-stream.ts'

type Converting = Pick<Models, 'call' | 'stream' | 'embed' | 'image'>

const jsonType = { 'content-type': 'application/json' }
const eventsType = { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache' }

/** The body as its shape has it. Throws `bad_request` that names the first member which does not fit. */
const readBody = <Schema extends z.ZodType>(schema: Schema, asked: AskedCall): z.output<Schema> => {
  const read = schema.safeParse(JSON.parse(upstreamBody(asked, asked.model).toString()))
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
  firstByteMs: Date.now(),
})

const events = (source: FrameSource): Given => ({
  kind: 'events',
  status: 200,
  headers: eventsType,
  source,
  firstByteMs: Date.now(),
})

const dataFrame = (data: string): Frame => ({ bytes: Buffer.from(`data: ${data}\n\n`), data })

/** The chunks of a chat as the events that OpenAI's clients read. */
const chatEvents = async function* (chunks: AsyncIterable<ChatChunk>): AsyncGenerator<Frame> {
  for await (const chunk of chunks) yield dataFrame(JSON.stringify(chunk))
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
  return { kind: 'refused', status, headers, bytes: Buffer.alloc(0), firstByteMs: Date.now(), error }
}

/**
 * Asks a provider that has another shape than the call: what the client sent is put into the provider's form, and what
 * comes back into the client's. Throws AppErrors for all but what the provider itself refused with.
 */
export const makeAskConverted = (models: Converting) => {
  const byChat = async (asked: AskedCall, request: ChatRequest, caller: ModelCaller, provider: string | undefined) => {
    const chosen = { provider }
    if (!asked.stream) return { completion: (await models.call(request, caller, chosen)).completion }
    return { chunks: (await models.stream(request, caller, chosen)).chunks }
  }

  const byShape = async (
    shape: Shape,
    route: Route,
    asked: AskedCall,
    caller: ModelCaller,
    stop: () => void,
  ): Promise<Given> => {
    const { model_provider: provider } = asked.block
    if (shape === 'responses') throw noResponses(route)
    if (shape === 'embeddings') {
      const request = readBody(embeddingRequestSchema, asked)
      return whole(embeddingBody(await models.embed(request, caller, { provider }), request.encoding_format ?? 'float'))
    }
    if (shape === 'images') {
      const request = readBody(imageRequestSchema, asked)
      return whole(imageBody(await models.image(request, caller, { provider }), Math.floor(Date.now() / 1000)))
    }
    if (shape === 'messages') {
      const given = await byChat(asked, chatFromMessages(readBody(messagesRequestSchema, asked)), caller, provider)
      return given.chunks
        ? events(framesFrom(messageEvents(given.chunks, asked.model), stop))
        : whole(messageFromChat(given.completion, asked.model))
    }
    const given = await byChat(asked, readBody(chatRequestSchema, asked), caller, provider)
    return given.chunks ? events(framesFrom(chatEvents(given.chunks), stop)) : whole(given.completion)
  }

  return async (shape: Shape, route: Route, asked: AskedCall, caller: ModelCaller): Promise<Given> => {
    const own = new AbortController()
    const stop = () => own.abort()
    caller.signal.addEventListener('abort', stop, { once: true })
    try {
      return await byShape(shape, route, asked, { ...caller, signal: own.signal }, stop)
    } catch (error) {
      if (caller.signal.aborted) throw new AppError('cancelled', 'The client went away before the answer was there')
      const refused = error instanceof AppError ? refusedBy(error) : undefined
      if (refused) return refused
      throw error
    }
  }
}
