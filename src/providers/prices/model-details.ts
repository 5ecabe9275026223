import { setImmediate as nextTurn } from 'node:timers/promises'
import type { ModelDetails, RoutableModel } from '../provider.ts'
import { type PriceList, priceList, ratesNow } from './prices.ts'

/** Facts of the price list about a model. */
type ListedDetails = Pick<ModelDetails, 'context_tokens' | 'usd_per_million'>

const unknown: ListedDetails = { context_tokens: null, usd_per_million: null }

/** Models looked up in one go. Other requests are served between two of these. */
const togetherAtOnce = 20

/** Digits beyond these are noise of the division. */
const digits = 9

const perMillion = (usdPerToken: number): number => Number((usdPerToken * 1_000_000).toPrecision(digits))

const detailsOf = (list: PriceList, { prices, model }: NonNullable<RoutableModel['listed']>): ListedDetails => {
  const rates = ratesNow(list, prices, model)
  return {
    context_tokens: contextOf(list, prices, model),
    usd_per_million:
      rates && rates.input + rates.output > 0
        ? {
            input: perMillion(rates.input),
            output: perMillion(rates.output),
            cached_input: perMillion(rates.cacheRead),
          }
        : null,
  }
}

const contextOf = (list: PriceList, providerId: string, model: string): number | null => {
  try {
    return list.calcPrice({ input_tokens: 1 }, model, { providerId })?.model.context_window ?? null
  } catch {
    return null // the model has another unit than tokens
  }
}

/** Looks models up in the public price list. */
export const listedDetails = async (models: readonly RoutableModel['listed'][]): Promise<ListedDetails[]> => {
  if (models.every((model) => model === undefined)) return models.map(() => unknown)
  const list = await priceList()
  const details: ListedDetails[] = []
  for (const [at, model] of models.entries()) {
    if (at > 0 && at % togetherAtOnce === 0) await nextTurn()
    details.push(model ? detailsOf(list, model) : unknown)
  }
  return details
}
