import { createHash } from 'node:crypto'
import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises'
import type { Dispatcher } from 'undici'
import { z } from 'zod'
import { AppError } from '../../lib/errors.ts'
import { makeLru } from '../../lib/memory/lru.ts'
import { requireAllowedHost } from '../../lib/net/hosts.ts'
import type { Fetch } from '../../lib/net/net.ts'
import type { Shape } from '../../model/gateway/shape.ts'
import { joined } from '../address.ts'
import { makeCalls, outgoingCall } from '../calls.ts'
import { findProvider, scriptedProvider } from '../catalogue.ts'
import { makePredictions, replicate } from '../predictions.ts'
import { hasPrice, knownModels, observedPrices, type PriceList, priceList, ratesNow } from '../prices/prices.ts'
import type {
  Asked,
  CallLimits,
  LookUpVariable,
  ModelDetails,
  ModelScope,
  Models,
  Provider,
  RoutableModel,
  Target,
} from '../provider.ts'
import { isScripted, type ScriptedModel, scriptedModels } from '../wires/scripted.ts'
import { answersCalls, callsAnswered } from './model-kinds.ts'
import { namedWithProvider } from './names.ts'
import { resolveModel, resolveProvider, servedProviders } from './resolve.ts'
import { unroutable } from './unroutable.ts'

interface ModelListsOptions {
  fetch: Fetch
  trustedFetch: Fetch
  /** Seconds for which a list is cached. 0: no list is requested. */
  keptSeconds: number
}

/** The lists that providers publish of their own models, cached. */
interface ModelLists {
  /** Names as the provider writes them; undefined if its list is missing or stale. Sends nothing. */
  known(target: Target): readonly string[] | undefined
  /** Refreshes missing and stale lists in parallel. Waits 2 s; a slower list is there the next time. */
  ask(targets: readonly Target[]): Promise<void>
}

interface Kept {
  names: readonly string[] | undefined
  until: number
}

const mostLists = 500
const mostNames = 2000
const longestName = 200
const maxBytes = 8 * 1024 * 1024
/** A provider without a list is not asked again for this long. */
const silentSeconds = 60
const answerSeconds = 10
const patienceMs = 2000

const listSchema = z.object({ data: z.array(z.object({ id: z.string().min(1).max(longestName) })) })

/** The path of a provider's list: OpenAI and Anthropic have it beside their calls. */
const listPath = ({ paths }: Provider): string | undefined =>
  (paths.chat ?? paths.embeddings ?? paths.messages)?.replace(/\/(chat\/completions|embeddings|messages)$/, '/models')

/** Gemini writes `models/gemini-2.0-flash` in its list, and takes it without. */
const nameOf = ({ provider }: Target, id: string): string =>
  provider.id === 'gemini' ? id.replace(/^models\//, '') : id

/** OpenRouter's is public: what needs no key gets none. */
const isPublic = ({ provider }: Target): boolean => provider.id === 'openrouter'

const placeOf = (target: Target): string | undefined => {
  const path = listPath(target.provider)
  return path === undefined ? undefined : joined(target.base_url, path)
}

/** The cache key of a list: its address and the provider's key, hashed. */
const nameOfList = (target: Target, place: string): string =>
  createHash('sha256')
    .update(`${place}\n${isPublic(target) ? '' : (target.key ?? '')}`)
    .digest('base64')

export const makeModelLists = ({ fetch, trustedFetch, keptSeconds }: ModelListsOptions): ModelLists => {
  const lists = makeLru<string, Kept>(mostLists)
  const asking = new Map<string, Promise<void>>()

  const keep = (name: string, names: readonly string[] | undefined): void => {
    const seconds = names === undefined ? Math.min(silentSeconds, keptSeconds) : keptSeconds
    lists.set(name, { names, until: Date.now() + seconds * 1000 })
  }

  const read = async (target: Target, place: string): Promise<readonly string[] | undefined> => {
    try {
      const answer = await (target.trusted ? trustedFetch : fetch)(place, {
        headers: { accept: 'application/json', ...(isPublic(target) ? {} : target.headers) },
        followRedirects: false,
        timeoutSeconds: answerSeconds,
        maxBytes,
      })
      if (answer.status !== 200) return undefined
      const { data } = listSchema.parse(JSON.parse(await answer.text()))
      const names = data.map(({ id }) => nameOf(target, id)).filter((name) => answersCalls(name))
      return [...new Set(names)].slice(0, mostNames)
    } catch {
      return undefined // the price list is used instead
    }
  }

  const ask = (target: Target): Promise<void> | undefined => {
    const place = placeOf(target)
    if (place === undefined) return undefined
    const name = nameOfList(target, place)
    if ((lists.get(name)?.until ?? 0) > Date.now()) return undefined
    const already = asking.get(name)
    if (already) return already
    const asked = read(target, place)
      .then((names) => keep(name, names))
      .finally(() => asking.delete(name))
    asking.set(name, asked)
    return asked
  }

  return {
    known(target) {
      const place = placeOf(target)
      const kept = place === undefined ? undefined : lists.get(nameOfList(target, place))
      return kept && kept.until > Date.now() ? kept.names : undefined
    },
    async ask(targets) {
      if (keptSeconds === 0) return
      const asked = targets.map(ask).filter((one) => one !== undefined)
      if (asked.length === 0) return
      const patience = new AbortController()
      const enough = delay(patienceMs, undefined, { signal: patience.signal, ref: false }).catch(() => {})
      await Promise.race([Promise.all(asked), enough])
      patience.abort()
    },
  }
}

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

const scriptedRoutables: RoutableModel[] = scriptedModels.map((one) => ({
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
const makeRoutable = ({
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
    const found = new Map(scriptedRoutables.map((one) => [one.id, one]))
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
    const script = scriptedRoutables.find(({ id }) => id === model)
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

interface Ways {
  agent(trusted: boolean): Promise<Dispatcher>
  serverUrl: LookUpVariable
  lentKeys?: LookUpVariable
}

/** Makes `Models.account`: resolves a provider for requests in its own API, with the key in the header of that API. */
const makeAccounts =
  ({ agent, serverUrl, lentKeys = () => undefined }: Ways): Models['account'] =>
  async ({ provider: id, model: written }, caller) => {
    const asked = { provider: id, model: written ?? '' }
    const provider = id === replicate.id ? replicate : findProvider(id)
    if (!provider) throw unroutable(asked, { variables: [], problem: `there is no provider '${id}'` }, [])
    const own = namedWithProvider(id, asked.model, caller.env).find((one) => one.provider === provider)
    const model = own?.model ?? asked.model
    const at = { env: (name: string) => caller.env(name), lent: caller.lent?.bind(caller), serverUrl, lentKeys }
    const found = resolveProvider({ ...provider, paths: {} }, { model }, at)
    if (!('url' in found)) throw unroutable(asked, found, [])
    const { url, trusted } = found
    if (written !== undefined) {
      await caller.admit?.({ provider: provider.id, model, url, trusted, hasPrice: () => hasPrice(provider, model) })
    }
    return { ...found, provider, agent: await agent(trusted) }
  }

interface ModelsOptions {
  /** The guarded network. */
  fetch: Fetch
  /** Reaches the base URLs that the server was started with, which may be private. */
  trustedFetch: Fetch
  /** The agent of the guarded network, or the one that reaches the server's own base URLs. */
  agent(trusted: boolean): Promise<Dispatcher>
  /** The server's own base URLs, by the variable that sets them. */
  serverUrl: LookUpVariable
  /** Keys that the server lends, by the variables that callers know them by. */
  lentKeys?: LookUpVariable
  /** Seconds for which lists of models are cached. Absent: no list is requested. */
  keptSeconds?: number
  limits: CallLimits
}

const scripted = scriptedProvider

/** The scripted model of a name, if it is one. Environments cannot replace it. */
const scriptedOf = ({ model, provider }: Asked): ScriptedModel | undefined => {
  if (provider !== undefined && provider !== scripted.id) return undefined
  if (provider === undefined && !model.startsWith(`${scripted.id}/`)) return undefined
  const name = model.replace(`${scripted.id}/`, '')
  if (isScripted(name)) return name
  throw new AppError(
    'model_unavailable',
    `Model '${model}' cannot be served: there is no scripted model of that name`,
    {
      hint: `There are ${scriptedModels.map((one) => `${scripted.id}/${one}`).join(', ')}.`,
    },
  )
}

const scriptedTarget = (model: ScriptedModel): Target => ({
  provider: scripted,
  model,
  native: false,
  url: '',
  base_url: '',
  trusted: false,
  headers: {},
})

/** Combines names, keys and calls. */
export const makeModels = (options: ModelsOptions): Models => {
  const { serverUrl, lentKeys = () => undefined, keptSeconds = 0 } = options
  const listing = makeRoutable({ lists: makeModelLists({ ...options, keptSeconds }), serverUrl })

  const find = async (written: Asked, caller: Parameters<Models['route']>[1], shape: Shape): Promise<Target> => {
    const asked = {
      model: written.model.trim(),
      provider: written.provider?.trim() || undefined,
      key: written.key?.trim() || undefined,
    }
    const script = scriptedOf(asked)
    if (script) return scriptedTarget(script)
    const at = { env: (name: string) => caller.env(name), lent: caller.lent?.bind(caller), serverUrl, lentKeys }
    const found = resolveModel(asked, at, shape)
    if (!('url' in found)) throw unroutable(asked, found, await listing.routable([{ env: at.env }]), shape)
    await caller.admit?.(outgoingCall(found))
    return found
  }

  const route: Models['route'] = async (asked, caller, shape) => {
    const target = await find(asked, caller, shape)
    return Object.assign(target, { agent: await options.agent(target.trusted) }) // made for this call
  }

  const predictions = makePredictions(options)
  const check: Models['check'] = async ({ kind, ...asked }, { env, lent }) => {
    if (kind === 'prediction') predictions.findAccount(asked, { env, lent })
    else await find(asked, { env, lent }, kind)
  }

  return {
    ...makeCalls(options, find),
    route,
    account: makeAccounts(options),
    check,
    ...listing,
    ...predictions,
    prices: observedPrices,
  }
}
