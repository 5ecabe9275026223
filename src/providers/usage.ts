import type { ChatCompletion, ModelUsage } from '../model/chat.ts'

const count = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : undefined

const member = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined

/** The tokens of an answer; null where the provider counted none. */
export const usageOf = ({ usage }: ChatCompletion): ModelUsage | null => {
  const prompt = count(usage?.prompt_tokens)
  const completion = count(usage?.completion_tokens)
  if (prompt === undefined && completion === undefined) return null
  const cached =
    count(member(usage?.prompt_tokens_details, 'cached_tokens')) ?? count(member(usage, 'prompt_cache_hit_tokens'))
  const reasoning = count(member(usage?.completion_tokens_details, 'reasoning_tokens'))
  return {
    prompt_tokens: prompt ?? 0,
    completion_tokens: completion ?? 0,
    total_tokens: count(usage?.total_tokens) ?? (prompt ?? 0) + (completion ?? 0),
    ...(cached === undefined ? {} : { cached_tokens: cached }),
    ...(reasoning === undefined ? {} : { reasoning_tokens: reasoning }),
  }
}

/** What the provider itself says the call cost, in US dollars. */
export const statedCost = ({ usage }: ChatCompletion): number | undefined => count(member(usage, 'cost'))
