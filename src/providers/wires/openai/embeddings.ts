import { isObject } from '../../../lib/json/json-object.ts'
import type { EmbeddingRequest } from '../../../model/gateway/embedding.ts'
import type { Embedded, WireCall } from '../../provider.ts'
import { unreadable } from '../../upstream/errors.ts'
import { usageIn } from '../../upstream/usage/usage.ts'
import { jsonOf, post } from '../read-answer.ts'

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
export const embedOverOpenAi = async (request: EmbeddingRequest, call: WireCall): Promise<Embedded> => {
  const url = call.native ? call.url : `${call.base_url}/embeddings`
  const answer = await post(call, url, { ...request, model: call.model, encoding_format: 'float' }, 'application/json')
  const list = await jsonOf(call, answer, 'list of embeddings', isList)
  const embeddings = vectorsOf(list, textsIn(request))
  if (!embeddings) throw unreadable(call, 'embedding of each text', { ...answer, text: JSON.stringify(list) })
  return { embeddings, usage: usageIn(list.usage), warnings: [] }
}
