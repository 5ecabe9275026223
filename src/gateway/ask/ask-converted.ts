import type { z } from 'zod'
import { tooManyValues } from '../../http/input/body.ts'
import { warningsHeader } from '../../http/warnings.ts'
import { AppError } from '../../lib/errors.ts'
import { parseLarge } from '../../lib/json/large-json.ts'
import { measureJson } from '../../lib/memory/json-memory.ts'
import { doInSlices } from '../../lib/slices.ts'
import { now } from '../../lib/time.ts'
import { type ChatChunk, type ChatRequest, chatRequestSchema, type ModelCaller } from '../../model/gateway/chat.ts'
import { embeddingRequestSchema } from '../../model/gateway/embedding.ts'
import { imageRequestSchema } from '../../model/gateway/image.ts'
import type { Shape } from '../../model/gateway/shape.ts'
import type { ModelRoute, Models } from '../../providers/provider.ts'
import type { UpstreamAnswer } from '../../providers/upstream/answer.ts'
import { messageEvents } from '../../providers/upstream/convert/chat-to-message-events.ts'
import {
  chatFromMessages,
  messageFromChat,
  messagesRequestSchema,
} from '../../providers/upstream/convert/messages-and-chat.ts'
import { framesFrom } from '../../providers/upstream/frames/frames-from.ts'
import type { Frame, FrameStream } from '../../providers/upstream/frames/sse.ts'
import { type AskedCall, noJson, upstreamBody } from '../asked.ts'
import { embeddingBody } from './embedding-body.ts'
import { imageBody } from './image-body.ts'

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
