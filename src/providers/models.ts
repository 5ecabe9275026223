import { AppError } from '../lib/errors.ts'
import type { Fetch } from '../lib/net.ts'
import type { CallModel, ChatCompletion, ChatOptions, ChatRequest, ModelAnswer } from '../model/chat.ts'
import { knownModels, priceOf } from './prices.ts'
import type { LookUpVariable, Models, RoutableModel } from './provider.ts'
import { type Asked, resolveModel, servedProviders, type Target } from './resolve.ts'
import { withRetries } from './retry.ts'
import { unroutable } from './unroutable.ts'
import { statedCost, usageOf } from './usage.ts'
import { type CallLimits, completeOverOpenAi } from './wires/openai.ts'
import { answerScripted, isScripted, type ScriptedModel, scriptedModels } from './wires/scripted.ts'

export interface ModelsOptions {
  /** The guarded way out. */
  fetch: Fetch
  /** The way to the base URLs that the server was started with, which may be private. */
  trustedFetch: Fetch
  /** Those base URLs, by the variable that sets them. */
  serverUrl: LookUpVariable
  limits: CallLimits
}

const scripted = { id: 'scripted', owner: 'scripted (no real model)' }

const textOf = (completion: ChatCompletion): string => {
  const content = completion.choices[0]?.message.content
  if (typeof content === 'string') return content
  return (content ?? []).map((part) => (typeof part.text === 'string' ? part.text : '')).join('')
}

/** The scripted model that is meant, if one is: they need no key, and no environment can put another in their place. */
const scriptedOf = ({ model, provider }: Asked): ScriptedModel | undefined => {
  if (provider !== undefined && provider !== scripted.id) return undefined
  if (provider === undefined && !model.startsWith(`${scripted.id}/`)) return undefined
  const name = model.replace(`${scripted.id}/`, '')
  if (isScripted(name)) return name
  throw new AppError('model_unavailable', `Model '${model}' cannot be served: no scripted model is called so`, {
    hint: `There are ${scriptedModels.map((one) => `${scripted.id}/${one}`).join(' and ')}.`,
  })
}

const byScript = (model: ScriptedModel, request: ChatRequest): ModelAnswer => {
  const completion = answerScripted(model, request)
  return {
    completion,
    text: textOf(completion),
    provider: scripted.id,
    model: `${scripted.id}/${model}`, // where the name stands alone, it still says what it is
    usage: usageOf(completion),
    cost_usd: null,
  }
}

const answerOf = async ({ provider, model }: Target, completion: ChatCompletion): Promise<ModelAnswer> => {
  const usage = usageOf(completion)
  const stated = provider.states_cost ? statedCost(completion) : undefined
  return {
    completion,
    text: textOf(completion),
    provider: provider.id,
    model,
    usage,
    cost_usd: stated ?? (usage ? await priceOf(provider, model, usage) : null),
  }
}

/** Puts resolving, wires, retries and prices together. */
export const makeModels = (options: ModelsOptions): Models => {
  const routable: Models['routable'] = async (environments) => {
    const served = new Map(environments.flatMap(servedProviders).map((provider) => [provider.id, provider]))
    const found: RoutableModel[] = scriptedModels.map((one) => ({
      id: `${scripted.id}/${one}`,
      owned_by: scripted.owner,
    }))
    for (const provider of served.values()) {
      for (const model of await knownModels(provider)) {
        const id = provider.model_names?.test(model) ? model : `${provider.id}/${model}`
        found.push({ id, owned_by: provider.id })
      }
    }
    return found
  }

  const call = async (
    request: ChatRequest,
    { env, signal }: Parameters<CallModel>[1],
    { provider, key }: ChatOptions = {},
  ): Promise<ModelAnswer> => {
    const asked = {
      model: request.model.trim(),
      provider: provider?.trim() || undefined,
      key: key?.trim() || undefined,
    }
    const script = scriptedOf(asked)
    if (script) return byScript(script, request)
    const target = resolveModel(asked, { env, serverUrl: options.serverUrl })
    if ('variables' in target) throw unroutable(asked, target, await routable([env]))
    const fetch = target.trusted ? options.trustedFetch : options.fetch
    const completion = await withRetries(
      () => completeOverOpenAi(target, request, fetch, options.limits, signal),
      signal,
    )
    return answerOf(target, completion)
  }
  return { call, routable }
}
