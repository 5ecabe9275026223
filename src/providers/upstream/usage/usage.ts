import type { ModelUsage } from '../../../model/gateway/chat.ts'

const count = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : undefined

/** A larger number is not a count of anything; sums must stay numbers that the database can hold. */
const mostTokens = 1e12

/** A number of tokens, rounded: some providers count in halves. */
const tokens = (value: unknown): number | undefined => {
  const counted = count(value)
  return counted === undefined || counted > mostTokens ? undefined : Math.round(counted)
}

const member = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined

const detail = (usage: unknown, group: string, name: string): number | undefined =>
  tokens(member(member(usage, group), name))

/** Anthropic counts tokens read from a cache or written to one beside the others. */
const promptIn = (usage: unknown): number | undefined => {
  const fresh = tokens(member(usage, 'input_tokens'))
  if (fresh === undefined) return undefined
  const read = tokens(member(usage, 'cache_read_input_tokens')) ?? 0
  return fresh + read + (tokens(member(usage, 'cache_creation_input_tokens')) ?? 0)
}

const cachedIn = (usage: unknown): number | undefined =>
  detail(usage, 'prompt_tokens_details', 'cached_tokens') ??
  detail(usage, 'input_tokens_details', 'cached_tokens') ??
  tokens(member(usage, 'cache_read_input_tokens')) ??
  tokens(member(usage, 'prompt_cache_hit_tokens'))

const cacheWritesIn = (usage: unknown): number | undefined =>
  detail(usage, 'prompt_tokens_details', 'cache_write_tokens') ?? tokens(member(usage, 'cache_creation_input_tokens'))

const reasoningIn = (usage: unknown): number | undefined =>
  detail(usage, 'completion_tokens_details', 'reasoning_tokens') ??
  detail(usage, 'output_tokens_details', 'reasoning_tokens')

/** Token counts as they are recorded. */
export const tokenUsage = (prompt: number, completion: number, parts: Partial<ModelUsage> = {}): ModelUsage => ({
  prompt_tokens: prompt,
  completion_tokens: completion,
  total_tokens: prompt + completion,
  ...parts,
})

/**
 * Reads the `usage` of chat completions, embeddings, responses or messages. Null if the provider counted nothing.
 */
export const usageIn = (usage: unknown): ModelUsage | null => {
  const prompt = tokens(member(usage, 'prompt_tokens')) ?? promptIn(usage)
  const completion = tokens(member(usage, 'completion_tokens')) ?? tokens(member(usage, 'output_tokens'))
  if (prompt === undefined && completion === undefined) return null
  const cached = cachedIn(usage)
  const written = cacheWritesIn(usage)
  const reasoning = reasoningIn(usage)
  const total = tokens(member(usage, 'total_tokens'))
  return tokenUsage(prompt ?? 0, completion ?? 0, {
    ...(total === undefined ? {} : { total_tokens: total }),
    ...(cached === undefined ? {} : { cached_tokens: cached }),
    ...(written === undefined || written === 0 ? {} : { cache_write_tokens: written }),
    ...(reasoning === undefined ? {} : { reasoning_tokens: reasoning }),
  })
}

const isUsage = (usage: unknown): boolean => typeof usage === 'object' && usage !== null

/** Reads Gemini's `usageMetadata`, which counts thoughts and the prompts of tools apart. */
export const geminiUsageIn = (usage: unknown): ModelUsage | null => {
  if (!isUsage(usage)) return null
  const counted = (name: string) => tokens(member(usage, name)) ?? 0
  const cached = counted('cachedContentTokenCount')
  const reasoning = counted('thoughtsTokenCount')
  return tokenUsage(
    counted('promptTokenCount') + counted('toolUsePromptTokenCount'),
    counted('candidatesTokenCount') + reasoning,
    { ...(cached > 0 && { cached_tokens: cached }), ...(reasoning > 0 && { reasoning_tokens: reasoning }) },
  )
}

/** Reads the usage of Bedrock's `converse`, which counts tokens of the cache beside the others. */
export const converseUsageIn = (usage: unknown): ModelUsage | null => {
  if (!isUsage(usage)) return null
  const counted = (name: string) => tokens(member(usage, name)) ?? 0
  const cached = counted('cacheReadInputTokens')
  const written = counted('cacheWriteInputTokens')
  return tokenUsage(counted('inputTokens') + cached + written, counted('outputTokens'), {
    ...(cached > 0 && { cached_tokens: cached }),
    ...(written > 0 && { cache_write_tokens: written }),
  })
}

/**
 * The cost in US dollars that a gateway in front of providers states. With a key that its customer has at the provider,
 * the provider's charge is added.
 */
export const statedCostIn = (usage: unknown): number | undefined => {
  const cost = count(member(usage, 'cost'))
  if (cost === undefined || member(usage, 'is_byok') === false) return cost
  return cost + (count(member(member(usage, 'cost_details'), 'upstream_inference_cost')) ?? 0)
}

export const noTokens: ModelUsage = tokenUsage(0, 0)
