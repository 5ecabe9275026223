import { z } from 'zod'
import type { ChatOptions, ModelCaller, ModelUsage } from './chat.ts'

/** Body of an OpenAI embeddings call; texts may also be token numbers. */
export const embeddingRequestSchema = z.looseObject({
  model: z.string().min(1),
  input: z.union([z.string(), z.array(z.string()), z.array(z.number()), z.array(z.array(z.number()))]),
  dimensions: z.number().int().positive().nullish(),
  encoding_format: z.enum(['float', 'base64']).nullish(),
})

export type EmbeddingRequest = z.infer<typeof embeddingRequestSchema>

/** Vectors of one call, in the order of its texts. */
export interface EmbeddingAnswer {
  embeddings: number[][]
  /** Provider that answered, and its name of the model. */
  provider: string
  model: string
  /** Null when the provider reported none. */
  usage: ModelUsage | null
  /** US dollars; null when unknown. */
  cost_usd: number | null
  /** Sentences about request parts that the provider's protocol cannot express. */
  warnings: string[]
}

/** Computes vectors of texts. Throws like `CallModel`. */
export type EmbedTexts = (
  request: EmbeddingRequest,
  caller: ModelCaller,
  options?: ChatOptions,
) => Promise<EmbeddingAnswer>

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
