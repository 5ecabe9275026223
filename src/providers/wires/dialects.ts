import type { JSONObject } from '@ai-sdk/provider'
import type { Shape } from '../../model/gateway/shape.ts'
import type { Wire } from '../provider.ts'
import type { Dialect, Package } from './ai-sdk/dialect.ts'
import { claudeCountsTokens, type Effort, effortTokens, isOff, tokensOf, wordOf } from './ai-sdk/effort.ts'

/** Makes the wire that speaks a dialect. */
const aiSdkWire = (shapes: readonly Shape[], dialect: Dialect): Wire => ({
  shapes,
  load: async () => (await import('./ai-sdk/protocol.ts')).protocolOf(dialect),
})

/** Anthropic's own clients take the base URL without the version, the package with it. */
const withVersion = (base: string): string => (/\/v\d+$/.test(base) ? base : `${base}/v1`)

const anthropicReasoning = (effort: Effort, model: string): JSONObject => {
  if (isOff(effort)) return { thinking: { type: 'disabled' } }
  if (claudeCountsTokens(model))
    return { thinking: { type: 'enabled', budgetTokens: Math.max(1024, tokensOf(effort)) } }
  const word = wordOf(effort)
  return { thinking: { type: 'adaptive', display: 'summarized' }, effort: word === 'minimal' ? 'low' : word }
}

export const anthropicDialect: Dialect = {
  namespace: 'anthropic',
  async load({ base_url }, given) {
    const { createAnthropic } = await import('@ai-sdk/anthropic')
    return { chat: createAnthropic({ ...given, baseURL: withVersion(base_url) }).languageModel }
  },
  reasoning: anthropicReasoning,
  sends: ['parallel_tool_calls', 'user'],
  own: ({ parallel_tool_calls: parallel, user }) => ({
    ...(parallel === false ? { disableParallelToolUse: true } : {}),
    ...(typeof user === 'string' ? { metadata: { userId: user } } : {}),
  }),
  cacheMark: ({ ttl }) => ({ cacheControl: { type: 'ephemeral', ...(ttl === '1h' ? { ttl } : {}) } }),
  vectorDimensions: () => ({}),
  hasPlainTools: true,
}

export const anthropicWire = aiSdkWire(['chat', 'messages'], anthropicDialect)

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

const bedrockReasoning = (effort: Effort, model: string): JSONObject => {
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
  reasoning: bedrockReasoning,
  sends: [],
  cacheMark: () => ({ cachePoint: { type: 'default' } }),
  encryptedMember: 'redactedContent',
  vectorDimensions: (dimensions) => ({ dimensions }),
  hasImageSizes: true,
  hasPlainTools: true,
}

export const bedrockWire = aiSdkWire(['chat', 'messages', 'embeddings', 'images'], bedrockDialect)

/** Loads Google's package, which also speaks to Vertex AI under another name. */
const googlePackage = async (
  baseURL: string,
  given: Parameters<Dialect['load']>[1],
  name = 'google.generative-ai',
): Promise<Package> => {
  const { createGoogleGenerativeAI } = await import('@ai-sdk/google')
  const google = createGoogleGenerativeAI({ ...given, baseURL, name })
  return { chat: google.languageModel, embedding: google.embeddingModel, image: google.image }
}

const googleReasoning = (effort: Effort, model: string): JSONObject => {
  if (/gemini-2/.test(model)) {
    const thinkingBudget = Math.min(tokensOf(effort), effortTokens.high)
    return { thinkingConfig: { thinkingBudget, includeThoughts: thinkingBudget > 0 } }
  }
  const word = isOff(effort) ? 'minimal' : wordOf(effort)
  return { thinkingConfig: { thinkingLevel: word === 'xhigh' ? 'high' : word, includeThoughts: !isOff(effort) } }
}

export const googleDialect: Dialect = {
  namespace: 'google',
  hasNameInPath: true,
  load: ({ base_url }, given) => googlePackage(base_url, given),
  reasoning: googleReasoning,
  sends: ['modalities'],
  own: ({ modalities }): JSONObject =>
    Array.isArray(modalities) ? { responseModalities: modalities.map((one) => String(one).toUpperCase()) } : {},
  vectorDimensions: (outputDimensionality) => ({ outputDimensionality }),
  hasPlainTools: true,
}

export const googleWire = aiSdkWire(['chat', 'messages', 'embeddings', 'images'], googleDialect)

/** Vertex AI: Gemini's protocol at another address, with another kind of key, and vectors of its own. */
export const vertexWire = aiSdkWire(['chat', 'messages', 'embeddings', 'images'], {
  ...googleDialect,
  access: async (call) => (await import('./vertex.ts')).vertexAccess(call),
  async load(call, given) {
    const { vertexEmbeddings } = await import('./vertex.ts')
    const google = await googlePackage(call.base_url, given, 'google.vertex.chat')
    return { ...google, embedding: (model) => vertexEmbeddings(call, model) }
  },
})
