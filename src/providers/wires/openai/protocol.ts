import { isObject, parsedJson } from '../../../lib/json/json-object.ts'
import type { OpenAnswer } from '../../../lib/net/open.ts'
import {
  type ChatChunk,
  type ChatCompletion,
  type ChatRequest,
  chatChunkSchema,
  chatCompletionSchema,
} from '../../../model/gateway/chat.ts'
import type { EmbeddingRequest } from '../../../model/gateway/embedding.ts'
import type { Embedded, Target, WireCall, WireProtocol } from '../../provider.ts'
import { chunksOf } from '../../upstream/convert/completion-to-chunks.ts'
import { cutOff, errorInside, refusal, unreadable } from '../../upstream/errors.ts'
import { chatFormat } from '../../upstream/formats/openai.ts'
import { usageIn } from '../../upstream/usage/usage.ts'
import { primed } from '../primed.ts'
import { framesIn, isSuccess, jsonOf, post } from '../read-answer.ts'
import { drawOverOpenAi } from './images.ts'

interface EmbeddingList {
  data: Record<string, unknown>[]
  usage?: Record<string, unknown>
}

const isList = (body: unknown): body is EmbeddingList =>
  isObject(body) && Array.isArray(body.data) && body.data.every(isObject)

const numbersOf = (vector: unknown): number[] | undefined => {
  if (Array.isArray(vector) && vector.every((one) => typeof one === 'number')) return vector
  if (typeof vector !== 'string') return undefined
  const bytes = Buffer.from(vector, 'base64')
  return Array.from({ length: Math.floor(bytes.length / 4) }, (_, at) => bytes.readFloatLE(at * 4))
}

const textsIn = ({ input }: EmbeddingRequest): number =>
  Array.isArray(input) && typeof input[0] !== 'number' ? input.length : 1

/** Sorts vectors by their `index`: an answer may list them in any order. */
const vectorsOf = (list: EmbeddingList, expected: number): number[][] | undefined => {
  const found: number[][] = []
  list.data.forEach((one, place) => {
    const vector = numbersOf(one.embedding)
    if (vector) found[typeof one.index === 'number' ? one.index : place] = vector
  })
  return found.length === expected && Object.keys(found).length === expected ? found : undefined
}

/** Embeds texts through OpenAI's `/embeddings`. */
const embedOverOpenAi = async (request: EmbeddingRequest, call: WireCall): Promise<Embedded> => {
  const url = call.native ? call.url : `${call.base_url}/embeddings`
  const answer = await post(call, url, { ...request, model: call.model, encoding_format: 'float' }, 'application/json')
  const list = await jsonOf(call, answer, 'list of embeddings', isList)
  const embeddings = vectorsOf(list, textsIn(request))
  if (!embeddings) throw unreadable(call, 'embedding of each text', { ...answer, text: JSON.stringify(list) })
  return { embeddings, usage: usageIn(list.usage), warnings: [] }
}

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
