import { isObject, type JsonObject } from '../../lib/json/json-object.ts'
import type { ModelUsage } from '../../model/gateway/chat.ts'
import { statedCostIn, usageIn } from '../../providers/prices/usage.ts'
import type { Language } from './endpoints.ts'

/** What an answer says about its cost; null where it counts nothing. */
export interface Counted {
  usage: ModelUsage | null
  /** US dollars, where the provider says them. */
  stated: number | undefined
}

const count = (value: unknown): number => (typeof value === 'number' && value >= 0 && value <= 1e12 ? value : 0)

/** Gemini counts thoughts apart, and what its tools have read. */
const ofGemini = (usage: unknown): ModelUsage | null => {
  if (!isObject(usage)) return null
  const prompt = count(usage.promptTokenCount) + count(usage.toolUsePromptTokenCount)
  const reasoning = count(usage.thoughtsTokenCount)
  const completion = count(usage.candidatesTokenCount) + reasoning
  const cached = count(usage.cachedContentTokenCount)
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    ...(cached > 0 && { cached_tokens: cached }),
    ...(reasoning > 0 && { reasoning_tokens: reasoning }),
  }
}

/** Bedrock's own words; what came from a cache or went into one is counted beside the others. */
const ofConverse = (usage: unknown): ModelUsage | null => {
  if (!isObject(usage)) return null
  const cached = count(usage.cacheReadInputTokens)
  const written = count(usage.cacheWriteInputTokens)
  const prompt = count(usage.inputTokens) + cached + written
  const completion = count(usage.outputTokens)
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    ...(cached > 0 && { cached_tokens: cached }),
    ...(written > 0 && { cache_write_tokens: written }),
  }
}

/** What stands in the usage of an answer, or of an event of one. */
export const countedIn = (language: Language, answer: JsonObject): Counted => {
  if (language === 'gemini') return { usage: ofGemini(answer.usageMetadata), stated: undefined }
  if (language === 'converse') return { usage: ofConverse(answer.usage), stated: undefined }
  return { usage: usageIn(answer.usage), stated: statedCostIn(answer.usage) }
}
