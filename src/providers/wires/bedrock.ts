import type { JSONObject } from '@ai-sdk/provider'
import type { Dialect } from './ai-sdk/dialect.ts'
import { claudeCountsTokens, type Effort, isOff, tokensOf, wordOf } from './ai-sdk/effort.ts'
import { aiSdkWire } from './ai-sdk/wire.ts'

const reasoning = (effort: Effort, model: string): JSONObject => {
  if (isOff(effort)) return { reasoningConfig: { type: 'disabled' } }
  const word = wordOf(effort)
  const maxReasoningEffort = word === 'minimal' ? 'low' : word
  if (!/anthropic/.test(model)) return { reasoningConfig: { type: 'enabled', maxReasoningEffort } }
  return claudeCountsTokens(model)
    ? { reasoningConfig: { type: 'enabled', budgetTokens: Math.max(1024, tokensOf(effort)) } }
    : { reasoningConfig: { type: 'adaptive', maxReasoningEffort, display: 'summarized' } }
}

export const bedrockDialect: Dialect = {
  namespace: 'bedrock',
  hasNameInPath: true,
  async load({ base_url }, given) {
    const { createAmazonBedrock } = await import('@ai-sdk/amazon-bedrock')
    const bedrock = createAmazonBedrock({ ...given, baseURL: base_url })
    return { chat: bedrock.languageModel, embedding: bedrock.embeddingModel, image: bedrock.image }
  },
  reasoning,
  sends: [],
  cacheMark: () => ({ cachePoint: { type: 'default' } }),
  encryptedMember: 'redactedContent',
  vectorDimensions: (dimensions) => ({ dimensions }),
  hasImageSizes: true,
  hasPlainTools: true,
}

export const bedrockWire = aiSdkWire(['chat', 'messages', 'embeddings', 'images'], bedrockDialect)
