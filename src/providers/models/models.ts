import type { Dispatcher } from 'undici'
import { AppError } from '../../lib/errors.ts'
import type { Fetch } from '../../lib/net/net.ts'
import type { Shape } from '../../model/gateway/shape.ts'
import { makeCalls } from '../calls.ts'
import { findProvider, scriptedProvider } from '../catalogue.ts'
import { makePredictions, replicate } from '../predictions.ts'
import { hasPrice } from '../prices/prices.ts'
import type { Asked, CallLimits, LookUpVariable, Models, Target } from '../provider.ts'
import { isScripted, type ScriptedModel, scriptedModels } from '../wires/scripted.ts'
import { makeModelLists } from './model-lists.ts'
import { namedWithProvider } from './names.ts'
import { resolveModel, resolveProvider } from './resolve.ts'
import { makeRoutable } from './routable.ts'
import { unroutable } from './unroutable.ts'

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
    const { provider, model, base_url: url, trusted } = found
    await caller.admit?.({ provider: provider.id, model, url, trusted, hasPrice: () => hasPrice(provider, model) })
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

  return { ...makeCalls(options, find), route, account: makeAccounts(options), check, ...listing, ...predictions }
}
