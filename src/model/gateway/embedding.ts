import { z } from 'zod'
import type { ChatOptions, ModelCaller, ModelUsage } from './chat.ts'

/** The body of a call for embeddings as OpenAI has it; texts may also come as numbers of tokens. */
export const embeddingRequestSchema = z.looseObject({
  model: z.string().min(1),
  input: z.union([z.string(), z.array(z.string()), z.array(z.number()), z.array(z.array(z.number()))]),
  dimensions: z.number().int().positive().nullish(),
  encoding_format: z.enum(['float', 'base64']).nullish(),
})

export type EmbeddingRequest = z.infer<typeof embeddingRequestSchema>

/** The vectors of one call, in the order of its texts. */
export interface EmbeddingAnswer {
  embeddings: number[][]
  /** Who answered, and what it calls the model. */
  provider: string
  model: string
  /** Null where the provider did not say. */
  usage: ModelUsage | null
  /** US dollars; null where nobody knows. */
  cost_usd: number | null
  /** What of the request the provider's own protocol has no place for, a sentence each. */
  warnings: string[]
}

/** Turns texts into vectors. Throws like `CallModel`. */
export type EmbedTexts = (
  request: EmbeddingRequest,
  caller: ModelCaller,
  options?: ChatOptions,
) => Promise<EmbeddingAnswer>

const asBase64 = (vector: number[]): string => Buffer.from(Float32Array.from(vector).buffer).toString('base64')

/** The answer as OpenAI has it; `base64` is little-endian 32-bit floats, which its own clients ask for. */
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
