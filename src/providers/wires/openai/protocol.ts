import { parsedJson } from '../../../lib/json/json-object.ts'
import type { OpenAnswer } from '../../../lib/net/open.ts'
import {
  type ChatChunk,
  type ChatCompletion,
  type ChatRequest,
  chatChunkSchema,
  chatCompletionSchema,
} from '../../../model/gateway/chat.ts'
import type { Target, WireProtocol } from '../../provider.ts'
import { chunksOf } from '../../upstream/convert/completion-to-chunks.ts'
import { cutOff, errorInside, refusal, unreadable } from '../../upstream/errors.ts'
import { chatFormat } from '../../upstream/formats/openai.ts'
import { primed } from '../primed.ts'
import { framesIn, isSuccess, jsonOf, post } from '../read-answer.ts'
import { embedOverOpenAi } from './embeddings.ts'
import { drawOverOpenAi } from './images.ts'

/** The request for this provider; only members that it names differently are changed. */
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

const chunkOf = (data: string, target: Target, answer: OpenAnswer): ChatChunk => {
  const body = parsedJson(data)
  const status = errorInside(body)
  if (status !== undefined) throw refusal(target, status, data)
  if (!isChunk(body)) throw unreadable(target, 'chunk of a chat completion', { ...answer, text: data })
  return body
}

/** The chunks of a stream. Throws if the stream ends before the answer does. */
const chunksFrom = async function* (answer: OpenAnswer, target: Target): AsyncGenerator<ChatChunk> {
  const reader = chatFormat.makeReader()
  try {
    for await (const { data } of framesIn(answer, target)) {
      if (data === undefined) continue
      if (reader.take(data).isLast) return
      yield chunkOf(data, target, answer)
    }
  } finally {
    answer.close()
  }
  if (!reader.isFinished) throw cutOff(target)
}

/** A refusal, or a whole answer of a provider that does not stream: both are JSON. */
const unstreamed = async function* (answer: OpenAnswer, target: Target): AsyncGenerator<ChatChunk> {
  yield* chunksOf(await jsonOf(target, answer, 'chat completion', isCompletion))
}

const isStream = (answer: OpenAnswer): boolean =>
  isSuccess(answer) && !/^(application\/json|text\/html)/i.test(answer.headers['content-type'] ?? '')

/** OpenAI's API, which most providers speak. */
export const openAiProtocol: WireProtocol = {
  async complete(request, call) {
    const answer = await post(call, call.url, bodyFor(call, request, false), 'application/json')
    // The original body: parsing by the schema would reorder members.
    return { completion: await jsonOf(call, answer, 'chat completion', isCompletion), warnings: [] }
  },
  async stream(request, call) {
    const answer = await post(call, call.url, bodyFor(call, request, true), 'text/event-stream')
    const chunks = isStream(answer) ? chunksFrom(answer, call) : unstreamed(answer, call)
    return { chunks: await primed(chunks), warnings: [] }
  },
  embed: embedOverOpenAi,
  draw: drawOverOpenAi,
}
