import type { EmbeddingAnswer } from '../../model/gateway/embedding.ts'

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
