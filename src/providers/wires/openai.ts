import { createParser } from 'eventsource-parser'
import { AppError } from '../../lib/errors.ts'
import { parsedJson } from '../../lib/json/json-object.ts'
import type { OpenAnswer } from '../../lib/net/open.ts'
import {
  type ChatChunk,
  type ChatCompletion,
  type ChatRequest,
  chatChunkSchema,
  chatCompletionSchema,
} from '../../model/gateway/chat.ts'
import type { Target } from '../provider.ts'
import { chunksOf } from './chunks-of.ts'
import { embedOverOpenAi } from './openai-embeddings.ts'
import { drawOverOpenAi } from './openai-images.ts'
import { primed } from './primed.ts'
import { isSuccess, jsonOf, post } from './read-answer.ts'
import { cutOff, errorInside, onTheWay, refusal, unreadable } from './refusal.ts'
import type { WireProtocol } from './wire.ts'

/** Most characters of one event. */
const longestEvent = 32 * 1024 * 1024

/** The request as this provider wants it; nothing that it did not ask for is changed. */
const bodyFor = ({ provider, model }: Target, request: ChatRequest, stream: boolean) => {
  const { max_tokens: most, stream_options: options, ...rest } = request
  const renamed = typeof most === 'number' && provider.renamed_max_tokens?.test(model) === true
  const limit = most === undefined || most === null ? {} : { [renamed ? 'max_completion_tokens' : 'max_tokens']: most }
  const streamed = stream
    ? { stream, ...(options === undefined ? {} : { stream_options: options }) }
    : { stream: undefined }
  return { ...rest, ...limit, model, ...streamed }
}

const isCompletion = (body: unknown): body is ChatCompletion => chatCompletionSchema.safeParse(body).success
const isChunk = (body: unknown): body is ChatChunk => chatChunkSchema.safeParse(body).success

/** The data of the events of a body, cut anywhere. */
const eventsOf = async function* (answer: OpenAnswer, target: Target): AsyncGenerator<string> {
  const found: string[] = []
  let fault: Error | undefined
  const parser = createParser({
    onEvent: ({ data }) => found.push(data),
    onError: (error) => {
      if (error.type === 'max-buffer-size-exceeded') fault = error
    },
    maxBufferSize: longestEvent,
  })
  const decoder = new TextDecoder()
  for await (const part of answer.body) {
    parser.feed(decoder.decode(part, { stream: true }))
    yield* found.splice(0)
    if (fault) throw new AppError('upstream_failed', `${target.provider.name} sent an event without an end`)
  }
}

const chunkOf = (data: string, target: Target, answer: OpenAnswer): ChatChunk => {
  const body = parsedJson(data)
  const status = errorInside(body)
  if (status !== undefined) throw refusal(target, status, data)
  if (!isChunk(body)) throw unreadable(target, 'chunk of a chat completion', { ...answer, text: data })
  return body
}

/** The chunks of a stream. It was whole if it says so itself, or if every choice that began has its finish reason. */
const chunksFrom = async function* (answer: OpenAnswer, target: Target): AsyncGenerator<ChatChunk> {
  const unfinished = new Set<number>()
  let finished = false
  try {
    for await (const data of eventsOf(answer, target)) {
      if (data.trim() === '[DONE]') return
      const chunk = chunkOf(data, target, answer)
      for (const { index, finish_reason: reason } of chunk.choices) {
        if (reason) finished = true
        if (reason) unfinished.delete(index ?? 0)
        else unfinished.add(index ?? 0)
      }
      yield chunk
    }
  } catch (error) {
    throw onTheWay(error, target)
  } finally {
    answer.close()
  }
  if (!finished || unfinished.size > 0) throw cutOff(target)
}

/** A refusal, or a whole answer by somebody who does not stream: either comes as JSON. */
const unstreamed = async function* (answer: OpenAnswer, target: Target): AsyncGenerator<ChatChunk> {
  yield* chunksOf(await jsonOf(target, answer, 'chat completion', isCompletion))
}

const isStream = (answer: OpenAnswer): boolean =>
  isSuccess(answer) && !/^(application\/json|text\/html)/i.test(answer.headers['content-type'] ?? '')

/** OpenAI's own API, and everybody who speaks it. The key goes into the header and nowhere else. */
export const openAiWire: WireProtocol = {
  async complete(request, call) {
    try {
      const answer = await post(call, call.url, bodyFor(call, request, false), 'application/json')
      // As it was sent: what the schema gives back has its members in another order.
      return { completion: await jsonOf(call, answer, 'chat completion', isCompletion), warnings: [] }
    } catch (error) {
      throw onTheWay(error, call)
    }
  },
  async stream(request, call) {
    try {
      const answer = await post(call, call.url, bodyFor(call, request, true), 'text/event-stream')
      const chunks = isStream(answer) ? chunksFrom(answer, call) : unstreamed(answer, call)
      return { chunks: await primed(chunks), warnings: [] }
    } catch (error) {
      throw onTheWay(error, call)
    }
  },
  embed: embedOverOpenAi,
  draw: drawOverOpenAi,
}
