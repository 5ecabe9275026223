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
