import type { ModelUsage } from '../../model/gateway/chat.ts'
import { answersCalls } from '../models/model-kinds.ts'
import type { Provider, Target } from '../provider.ts'
import { type PricedTokens, priceAt, type Rates, ratesOf } from './price-rates.ts'

type PriceList = typeof import('@pydantic/genai-prices')

let loading: Promise<PriceList> | undefined
/** Some 120 ms and 10 MB, for the first call that wants it. */
const priceList = (): Promise<PriceList> => {
  loading ??= import('@pydantic/genai-prices')
  return loading
}

/** By the list itself; undefined where it has no price. */
const listedPrice = (list: PriceList, provider: string, model: string, tokens: PricedTokens): number | undefined => {
  try {
    return list.calcPrice({ ...tokens }, model, { providerId: provider })?.total_price
  } catch {
    return undefined // a model that is priced by something else than tokens
  }
}

/** Looking a model up takes longer than all the rest of a call's record: its rates are known for a while. */
const ratesForMs = 60_000
const mostRates = 2_000
const knownRates = new Map<string, { rates: Rates | null; untilMs: number }>()

/** Null where the price is not proportional to the tokens, or there is none. */
const ratesNow = (list: PriceList, provider: string, model: string): Rates | null => {
  const key = `${provider} ${model}`
  const known = knownRates.get(key)
  if (known && known.untilMs > Date.now()) return known.rates
  if (knownRates.size >= mostRates) knownRates.clear()
  const rates = ratesOf((tokens) => listedPrice(list, provider, model, tokens))
  knownRates.set(key, { rates, untilMs: Date.now() + ratesForMs })
  return rates
}

/** What lies beyond is noise of the multiplication. */
const significantDigits = 12

/**
 * What a call cost in US dollars by the public price of the model, cached tokens at theirs. Null where the list has no
 * price for it, which is not the same as nothing.
 */
export const priceOf = async (provider: Provider, model: string, usage: ModelUsage): Promise<number | null> => {
  if (provider.prices === undefined) return null
  const list = await priceList()
  const tokens: PricedTokens = {
    input_tokens: usage.prompt_tokens,
    // Some count reasoning in the total alone; whatever is not prompt was generated, and is paid for.
    output_tokens: Math.max(usage.completion_tokens, usage.total_tokens - usage.prompt_tokens),
    ...(usage.cached_tokens ? { cache_read_tokens: Math.min(usage.cached_tokens, usage.prompt_tokens) } : {}),
    ...(usage.cache_write_tokens ? { cache_write_tokens: usage.cache_write_tokens } : {}),
  }
  const rates = ratesNow(list, provider.prices, model)
  const price = rates ? priceAt(rates, tokens) : listedPrice(list, provider.prices, model, tokens)
  return price !== undefined && price > 0 ? Number(price.toPrecision(significantDigits)) : null
}

/** The same of any call: where the provider says what it took (`stated`), that counts. */
export const costOf = async (
  { provider, model }: Pick<Target, 'provider' | 'model'>,
  usage: ModelUsage | null,
  stated?: number | undefined,
): Promise<number | null> =>
  (provider.states_cost ? stated : undefined) ?? (usage ? await priceOf(provider, model, usage) : null)

const someTokens: ModelUsage = { prompt_tokens: 1000, completion_tokens: 1000, total_tokens: 2000 }

/** Whether a call's cost will be known: by the price list, or because the provider says it. */
export const hasPrice = async (provider: Provider, model: string): Promise<boolean> =>
  provider.states_cost === true || (await priceOf(provider, model, someTokens)) !== null

/** Entries that stand for many models, and one or two letters that match anything. */
const isPattern = (id: string): boolean => /[-.]$|^ft:|\.ft-/.test(id)

/** The models of a provider as far as the price list knows them: what the provider calls them. */
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
