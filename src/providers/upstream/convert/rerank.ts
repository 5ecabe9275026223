import { memberPieces } from '../../../lib/json/json-members.ts'
import { parsedObject } from '../../../lib/json/json-object.ts'
import { maxJsonDepth } from '../../../lib/json/json-text.ts'
import { doInSlices } from '../../../lib/slices.ts'
import type { UpstreamAnswer } from '../answer.ts'

// Cohere, Jina and their copies take `top_n` and answer with `results`. Voyage has `top_k` and `data` for the same.

/** The body of a reranking with the name that its provider has for the number of results. */
export const rerankBody = async (body: Buffer, isLikeVoyage: boolean): Promise<Buffer> => {
  const [given, taken] = isLikeVoyage ? ['"top_n"', '"top_k"'] : ['"top_k"', '"top_n"']
  const members = (await doInSlices(memberPieces(body, maxJsonDepth)))?.members ?? []
  const member = members.find(({ start }) => body.toString('latin1', start, start + given.length) === given)
  if (!member) return body
  return Buffer.concat([body.subarray(0, member.start), Buffer.from(taken), body.subarray(member.start + given.length)])
}

/** An answer of Voyage's, with `results` beside its own `data`. */
export const rerankAnswer = (answer: UpstreamAnswer): UpstreamAnswer => {
  if (answer.kind !== 'whole') return answer
  const body = parsedObject(answer.bytes.toString())
  if (!Array.isArray(body?.data)) return answer
  return { ...answer, bytes: Buffer.from(JSON.stringify({ ...body, results: body.data })) }
}
