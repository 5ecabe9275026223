import { makeLru } from '../../lib/memory/lru.ts'
import type { ModelUsage } from '../../model/gateway/chat.ts'
import { findProvider } from '../catalogue.ts'
import { answersCalls } from '../models/model-kinds.ts'
import { named, namedWithProvider } from '../models/names.ts'
import type { ObservedPrices, Provider, Target } from '../provider.ts'
import { noteModelUsage } from '../upstream/provider-health.ts'

/** Tokens as the price list counts them: cached tokens are part of the input. */
export interface PricedTokens {
  input_tokens: number
  output_tokens: number
  cache_read_tokens?: number
  cache_write_tokens?: number
}

/** US dollars a token, for a model whose price is proportional to its tokens. */
interface Rates {
  input: number
  output: number
  cacheRead: number
  cacheWrite: number
}

const few = 1_000
const many = 4_000_000

const isSame = (left: number, right: number): boolean => Math.abs(left - right) <= 1e-9 * Math.abs(right)

/** Derives the rates of a model from its prices of few and of many tokens; null if they are not proportional. */
export const ratesOf = (price: (tokens: PricedTokens) => number | undefined): Rates | null => {
  const rateAt = (tokens: number): Rates | undefined => {
    const input = price({ input_tokens: tokens, output_tokens: 0 })
    const read = price({ input_tokens: tokens, output_tokens: 0, cache_read_tokens: tokens })
    const written = price({ input_tokens: tokens, output_tokens: 0, cache_write_tokens: tokens })
    const both = price({ input_tokens: tokens, output_tokens: tokens })
    if (input === undefined || read === undefined || written === undefined || both === undefined) return undefined
    return {
      input: input / tokens,
      output: (both - input) / tokens,
      cacheRead: read / tokens,
      cacheWrite: written / tokens,
    }
  }
  const low = rateAt(few)
  const high = rateAt(many)
  if (!low || !high) return null
  const names = ['input', 'output', 'cacheRead', 'cacheWrite'] as const
  return names.every((name) => isSame(low[name], high[name])) ? low : null
}

/** The price of tokens at such rates; undefined for counts that contradict each other. */
export const priceAt = (rates: Rates, tokens: PricedTokens): number | undefined => {
  const {
    input_tokens: input,
    output_tokens: output,
    cache_read_tokens: read = 0,
    cache_write_tokens: written = 0,
  } = tokens
  const fresh = input - read - written
  if (fresh < 0) return undefined
  return fresh * rates.input + read * rates.cacheRead + written * rates.cacheWrite + output * rates.output
}

export type PriceList = typeof import('@pydantic/genai-prices')

let loading: Promise<PriceList> | undefined
/** Loaded by the first call that needs it: about 120 ms and 10 MB. */
export const priceList = (): Promise<PriceList> => {
  loading ??= import('@pydantic/genai-prices')
  return loading
}

/** The price by the list itself; undefined if it has none. */
const listedPrice = (list: PriceList, provider: string, model: string, tokens: PricedTokens): number | undefined => {
  try {
    return list.calcPrice({ ...tokens }, model, { providerId: provider })?.total_price
  } catch {
    return undefined // the model is not priced by tokens
  }
}

/** Looking a model up takes longer than the rest of a call's record, so its rates are cached. */
const ratesForMs = 60_000
const mostRates = 2_000
/** Without the ttl of the cache, which starts a timer for every look. */
const knownRates = makeLru<string, { rates: Rates | null; untilMs: number }>(mostRates)

/** Null if the price is not proportional to the tokens, or unknown. */
export const ratesNow = (list: PriceList, provider: string, model: string): Rates | null => {
  const key = `${provider} ${model}`
  const known = knownRates.get(key)
  if (known && known.untilMs > performance.now()) return known.rates
  const rates = ratesOf((tokens) => listedPrice(list, provider, model, tokens))
  knownRates.set(key, { rates, untilMs: performance.now() + ratesForMs })
  return rates
}

/** Further digits are noise of the multiplication. */
const significantDigits = 12

/** The cost of a call in US dollars by the price list. Null if the list has no price, which is not the same as 0. */
const priceIn = (list: PriceList, provider: Provider, model: string, usage: ModelUsage): number | null => {
  if (provider.prices === undefined) return null
  const tokens: PricedTokens = {
    input_tokens: usage.prompt_tokens,
    // Some count reasoning only in the total: every token that is not prompt was generated, and is charged.
    output_tokens: Math.max(usage.completion_tokens, usage.total_tokens - usage.prompt_tokens),
    ...(usage.cached_tokens ? { cache_read_tokens: Math.min(usage.cached_tokens, usage.prompt_tokens) } : {}),
    ...(usage.cache_write_tokens ? { cache_write_tokens: usage.cache_write_tokens } : {}),
  }
  const rates = ratesNow(list, provider.prices, model)
  const price = rates ? priceAt(rates, tokens) : listedPrice(list, provider.prices, model, tokens)
  return price !== undefined && price > 0 ? Number(price.toPrecision(significantDigits)) : null
}

export const priceOf = async (provider: Provider, model: string, usage: ModelUsage): Promise<number | null> =>
  provider.prices === undefined ? null : priceIn(await priceList(), provider, model, usage)

const noVariables = () => undefined
/** Longer names are no models. */
const longestModel = 200

/** Loads the prices of calls that other programs made, by the provider and the model that they name. */
export const observedPrices = async (): Promise<ObservedPrices> => {
  const list = await priceList()
  return ({ provider, model }, usage) => {
    if (model.length > longestModel) return null
    const isKnown = provider !== undefined && findProvider(provider) !== undefined
    if (provider !== undefined && !isKnown && !model.includes('/')) return null
    const [first] = isKnown ? namedWithProvider(provider, model, noVariables) : named(model, noVariables)
    return !first || first.standsIn ? null : priceIn(list, first.provider, first.model, usage)
  }
}

/** The cost of a call: nothing for a built-in model, what the provider states, else by the price list. */
export const costOf = async (
  { provider, model }: Pick<Target, 'provider' | 'model'>,
  usage: ModelUsage | null,
  stated?: number | undefined,
): Promise<number | null> => {
  if (provider.wire.isBuiltIn) return 0
  return (provider.states_cost ? stated : undefined) ?? (usage ? await priceOf(provider, model, usage) : null)
}

/** `costOf` for an answer that has come: it is counted, with its tokens, in the metrics of its model. */
export const chargeFor: typeof costOf = async (target, usage, stated) => {
  const usd = await costOf(target, usage, stated)
  noteModelUsage(target, usage?.total_tokens ?? null, usd)
  return usd
}

/** The cost of a call in a batch, `share` of the usual price. An answer is counted in the metrics of its model. */
export const priceOfBatched = async (
  target: Pick<Target, 'provider' | 'model'>,
  usage: ModelUsage | null,
  share: number,
  what: 'answer' | 'estimate' = 'answer',
): Promise<number | null> => {
  const full = await costOf(target, usage)
  const usd = full === null ? null : Number((full * share).toPrecision(significantDigits))
  if (what === 'answer') noteModelUsage(target, usage?.total_tokens ?? null, usd)
  return usd
}

const someTokens: ModelUsage = { prompt_tokens: 1000, completion_tokens: 1000, total_tokens: 2000 }

/** Whether the cost of a call will be known: from the price list, or because the provider states it. */
export const hasPrice = async (provider: Provider, model: string): Promise<boolean> =>
  provider.states_cost === true || (await priceOf(provider, model, someTokens)) !== null

/** Whether an id is a pattern for many models, or so short that it matches anything. */
const isPattern = (id: string): boolean => /[-.]$|^ft:|\.ft-/.test(id)

/** The models of a provider in the price list, under the provider's own names. */
export const knownModels = async (provider: Provider): Promise<string[]> => {
  if (provider.prices === undefined) return []
  const { findProvider } = await priceList()
  const models = findProvider({ providerId: provider.prices })?.models ?? []
  return models
    .filter(({ deprecated }) => !deprecated)
    .map(({ id }) => id)
    .filter((id) => answersCalls(id) && !isPattern(id))
    .filter((id) => (provider.id === 'openrouter' ? id.includes('/') : (provider.model_names?.test(id) ?? true)))
}
