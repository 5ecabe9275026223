import { setImmediate as nextTurn } from 'node:timers/promises'
import { requireAllowedHost } from '../../lib/net/hosts.ts'
import type { Shape } from '../../model/gateway/shape.ts'
import { findProvider, scriptedProvider } from '../catalogue.ts'
import { knownModels, type PriceList, priceList, ratesNow } from '../prices/prices.ts'
import type { LookUpVariable, ModelDetails, ModelScope, Models, RoutableModel, Target } from '../provider.ts'
import { scriptedModels } from '../wires/scripted.ts'
import { callsAnswered } from './model-kinds.ts'
import type { ModelLists } from './model-lists.ts'
import { resolveModel, resolveProvider, servedProviders } from './resolve.ts'

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
const listedDetails = async (models: readonly RoutableModel['listed'][]): Promise<ListedDetails[]> => {
  if (models.every((model) => model === undefined)) return models.map(() => unknown)
  const list = await priceList()
  const details: ListedDetails[] = []
  for (const [at, model] of models.entries()) {
    if (at > 0 && at % togetherAtOnce === 0) await nextTurn()
    details.push(model ? detailsOf(list, model) : unknown)
  }
  return details
}

interface RoutableOptions {
  lists: ModelLists
  /** The server's own base URLs, by the variable that sets them. */
  serverUrl: LookUpVariable
}

const scripted: RoutableModel[] = scriptedModels.map((one) => ({
  id: `${scriptedProvider.id}/${one}`,
  owned_by: scriptedProvider.name,
}))

/** A model that answers none of these answers no call. */
const asked: readonly Shape[] = ['chat', 'embeddings', 'images']

const mayReach = ({ base_url: url, trusted }: Target, { allowedHosts }: ModelScope): boolean => {
  try {
    if (!trusted) requireAllowedHost(new URL(url), allowedHosts)
    return true
  } catch {
    return false
  }
}

/** The name as a client writes it: with the provider, unless the name alone identifies it. */
const written = ({ provider }: Target, model: string): string =>
  provider.model_names?.test(model) ? model : `${provider.id}/${model}`

/** The member of a chat that limits the tokens of an answer. A body passed on unchanged needs the provider's own name. */
const maxTokensParameter = ({ id, owned_by, listed }: RoutableModel): ModelDetails['max_tokens_parameter'] =>
  findProvider(owned_by)?.renamed_max_tokens?.test(listed?.model ?? id) ? 'max_completion_tokens' : 'max_tokens'

const describe: Models['describe'] = async (models) => {
  const listed = await listedDetails(models.map((model) => model.listed))
  return models.map((model, at) => ({
    calls: callsAnswered(model.id),
    max_tokens_parameter: maxTokensParameter(model),
    context_tokens: listed[at]?.context_tokens ?? null,
    usd_per_million: listed[at]?.usd_per_million ?? null,
  }))
}

/** Lists the models that the keys of some environments reach. */
export const makeRoutable = ({
  lists,
  serverUrl,
}: RoutableOptions): Pick<Models, 'routable' | 'listed' | 'ownerOf' | 'describe'> => {
  const targetsOf = (place: ModelScope): Target[] =>
    servedProviders(place.env)
      .map((provider) => resolveProvider(provider, { model: '' }, { ...place, serverUrl, lentKeys: () => undefined }))
      .filter((found) => 'url' in found)
      .filter((target) => mayReach(target, place))

  /** From the providers' own lists, else from the price list. Sends nothing. */
  const routable = async (places: readonly ModelScope[]): Promise<RoutableModel[]> => {
    const found = new Map(scripted.map((one) => [one.id, one]))
    for (const target of places.flatMap(targetsOf)) {
      for (const model of lists.known(target) ?? (await knownModels(target.provider))) {
        const id = written(target, model)
        const { id: owner, prices } = target.provider
        found.set(id, { id, owned_by: owner, listed: prices === undefined ? undefined : { prices, model } })
      }
    }
    return [...found.values()]
  }

  /** The same, with lists that arrive within 2 s. */
  const listed = async (places: readonly ModelScope[]): Promise<RoutableModel[]> => {
    await lists.ask(places.flatMap(targetsOf))
    return routable(places)
  }

  const ownerOf = (model: string, places: readonly ModelScope[]): RoutableModel | undefined => {
    const script = scripted.find(({ id }) => id === model)
    if (script) return script
    for (const place of places) {
      for (const shape of asked) {
        const found = resolveModel({ model }, { ...place, serverUrl, lentKeys: () => undefined }, shape)
        if (!('url' in found) || !mayReach(found, place)) continue
        const { id: owner, prices } = found.provider
        return { id: model, owned_by: owner, listed: prices === undefined ? undefined : { prices, model: found.model } }
      }
    }
    return undefined
  }
  return { routable, listed, ownerOf, describe }
}
