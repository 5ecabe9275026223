import type { ModelUsage } from '../../model/gateway/chat.ts'

const count = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : undefined

/** More is no count of anything; what is added up must stay a number that the database can hold. */
const mostTokens = 1e12

/** A number of tokens: some providers count in halves. */
const tokens = (value: unknown): number | undefined => {
  const counted = count(value)
  return counted === undefined || counted > mostTokens ? undefined : Math.round(counted)
}

const member = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined

const detail = (usage: unknown, group: string, name: string): number | undefined =>
  tokens(member(member(usage, group), name))

/** In Anthropic's shape the tokens that came from a cache or went into one are counted beside the others. */
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

/**
 * The tokens that a provider counted, from the `usage` of an answer in whichever shape: chat completions, embeddings,
 * responses or messages. Null where it counted none.
 */
export const usageIn = (usage: unknown): ModelUsage | null => {
  const prompt = tokens(member(usage, 'prompt_tokens')) ?? promptIn(usage)
  const completion = tokens(member(usage, 'completion_tokens')) ?? tokens(member(usage, 'output_tokens'))
  if (prompt === undefined && completion === undefined) return null
  const cached = cachedIn(usage)
  const written = cacheWritesIn(usage)
  const reasoning = reasoningIn(usage)
  return {
    prompt_tokens: prompt ?? 0,
    completion_tokens: completion ?? 0,
    total_tokens: tokens(member(usage, 'total_tokens')) ?? (prompt ?? 0) + (completion ?? 0),
    ...(cached === undefined ? {} : { cached_tokens: cached }),
    ...(written === undefined || written === 0 ? {} : { cache_write_tokens: written }),
    ...(reasoning === undefined ? {} : { reasoning_tokens: reasoning }),
  }
}

/**
 * What a gateway itself says the call cost, in US dollars: what it took, and where it used a key that its customer has
 * with the provider, what the provider takes for that.
 */
export const statedCostIn = (usage: unknown): number | undefined => {
  const cost = count(member(usage, 'cost'))
  if (cost === undefined || member(usage, 'is_byok') === false) return cost
  return cost + (count(member(member(usage, 'cost_details'), 'upstream_inference_cost')) ?? 0)
}
