import type { JSONObject } from '@ai-sdk/provider'
import type { Dialect, Package } from './ai-sdk/dialect.ts'
import { type Effort, effortTokens, isOff, tokensOf, wordOf } from './ai-sdk/effort.ts'
import { aiSdkWire } from './ai-sdk/wire.ts'

/** Loads Google's package, which also speaks to Vertex AI under another name. */
export const googlePackage = async (
  baseURL: string,
  given: Parameters<Dialect['load']>[1],
  name = 'google.generative-ai',
): Promise<Package> => {
  const { createGoogleGenerativeAI } = await import('@ai-sdk/google')
  const google = createGoogleGenerativeAI({ ...given, baseURL, name })
  return { chat: google.languageModel, embedding: google.embeddingModel, image: google.image }
}

const reasoning = (effort: Effort, model: string): JSONObject => {
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
  reasoning,
  sends: ['modalities'],
  own: ({ modalities }): JSONObject =>
    Array.isArray(modalities) ? { responseModalities: modalities.map((one) => String(one).toUpperCase()) } : {},
  vectorDimensions: (outputDimensionality) => ({ outputDimensionality }),
  hasPlainTools: true,
}

export const googleWire = aiSdkWire(['chat', 'messages', 'embeddings', 'images'], googleDialect)
