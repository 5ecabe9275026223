import type { Dialect } from './ai-sdk/dialect.ts'
import { isOff, tokensOf } from './ai-sdk/effort.ts'
import { aiSdkWire } from './ai-sdk/wire.ts'

export const cohereDialect: Dialect = {
  namespace: 'cohere',
  async load({ base_url }, given) {
    const { createCohere } = await import('@ai-sdk/cohere')
    const cohere = createCohere({ ...given, baseURL: base_url })
    return { chat: cohere.languageModel, embedding: cohere.embeddingModel }
  },
  reasoning: (effort) => ({
    thinking: isOff(effort) ? { type: 'disabled' } : { type: 'enabled', tokenBudget: tokensOf(effort) },
  }),
  sends: [],
  imageDetail: (detail) => ({ detail }),
  vectorDimensions: (outputDimension) => ({ outputDimension }),
}

export const cohereWire = aiSdkWire(['chat', 'messages', 'embeddings'], cohereDialect)
