import { catalogue, findProvider } from './catalogue.ts'
import type { LookUpVariable, Provider } from './provider.ts'

/** Who a call goes to, and how. */
export interface Target {
  provider: Provider
  /** As the provider calls it. */
  model: string
  url: string
  /** The URL was set for the whole server: it may be private. Any other one goes through the guard. */
  trusted: boolean
  key: string | undefined
}

/** Why nobody answers: the variables of which one would do, and what is wrong where that is something else. */
export interface Unroutable {
  variables: string[]
  problem: string | undefined
}

export interface Asked {
  model: string
  provider?: string | undefined
  key?: string | undefined
}

/** What may be looked up: variables of the run, and base URLs that the server was started with. */
export interface Surroundings {
  env: LookUpVariable
  serverUrl: LookUpVariable
}

interface Candidate {
  provider: Provider
  model: string
  /** It answers in the place of the one that was meant: a key that came with the call is not for it. */
  standsIn?: boolean
}

const openrouter = findProvider('openrouter')!
/** Spellings of services whose own protocol is needed; OpenRouter has nothing under these names. */
const ownProtocol = /^(bedrock|amazon-bedrock|vertex_ai|vertex|google-vertex|azure)$/

/** Vendors that have no row of their own, by how their bare names begin; OpenRouter serves them. */
const vendorOf = (model: string): string | undefined =>
  /^claude-/.test(model) ? 'anthropic' : /^command-/.test(model) ? 'cohere' : undefined

/** OpenRouter writes `claude-sonnet-4.6` where Anthropic has `claude-sonnet-4-6` or one with a date behind. */
const atOpenRouter = (vendor: string, model: string): Candidate => {
  const dotted = model.replace(/-(\d{8}|latest)$/, '').replace(/(\d)-(\d{1,2})(?!\d)/g, '$1.$2')
  return { provider: openrouter, model: `${vendor}/${vendor === 'anthropic' ? dotted : model}`, standsIn: true }
}

const split = (name: string): [head: string, rest: string] => {
  const slash = name.indexOf('/')
  return slash < 0 ? ['', name] : [name.slice(0, slash), name.slice(slash + 1)]
}

const withoutPrefix = (model: string, provider: Provider): string => {
  const [head, rest] = split(model)
  return head !== '' && findProvider(head) === provider ? rest : model
}

/** A provider that only its base URL tells of: `custom/ollama/…` is whoever answers at OLLAMA_BASE_URL. */
export const customProvider = (name: string): Provider | undefined => {
  if (!/^[a-z][a-z0-9_-]{0,63}$/i.test(name)) return undefined
  const variable = name.toUpperCase().replaceAll('-', '_')
  return {
    id: `custom/${name}`,
    name,
    aliases: [],
    base_url: '',
    base_url_variable: `${variable}_BASE_URL`,
    chat_path: '/chat/completions',
    keys: [`${variable}_API_KEY`],
    auth: 'bearer',
    wire: 'openai',
    source: 'the environment of the run',
  }
}

/** Whatever a client writes for a model, as OpenRouter has it: always `vendor/name`. */
const openRouterModel = (model: string): Candidate => {
  const [head, rest] = split(model)
  if (head === 'openrouter' && rest.includes('/')) return openRouterModel(rest)
  if (head !== '' && head !== 'openrouter') return atOpenRouter(findProvider(head)?.openrouter ?? head, rest)
  const vendor = vendorOf(rest) ?? catalogue.find((one) => one.model_names?.test(rest))?.openrouter
  return vendor === undefined ? { provider: openrouter, model } : atOpenRouter(vendor, rest)
}

const ofProvider = (id: string, model: string, env: LookUpVariable): Candidate[] => {
  const provider = findProvider(id)
  if (provider === openrouter) return [{ ...openRouterModel(model), standsIn: false }]
  if (provider) return [{ provider, model: withoutPrefix(model, provider) }]
  if (id === 'anthropic') return [openRouterModel(split(model)[0] === '' ? `anthropic/${model}` : model)]
  const name = id.replace(/^custom\//, '')
  const custom = customProvider(name)
  const isThere = custom && (id !== name || env(custom.base_url_variable!) !== undefined)
  if (!isThere) return []
  return [{ provider: custom, model: model.replace(/^custom\//, '').replace(`${name}/`, '') }]
}

const ofName = (model: string, env: LookUpVariable): Candidate[] => {
  const [head, rest] = split(model)
  if (head === 'custom' || (head !== '' && !findProvider(head) && env(customProvider(head)?.base_url_variable ?? ''))) {
    const [name, inner] = head === 'custom' ? split(rest) : [head, rest]
    const custom = customProvider(name)
    return custom && inner !== '' ? [{ provider: custom, model: inner }] : []
  }
  const provider = head === '' ? catalogue.find((one) => one.model_names?.test(model)) : findProvider(head)
  if (provider === openrouter) return [{ ...openRouterModel(model), standsIn: false }]
  if (provider) {
    const own = { provider, model: head === '' ? model : rest }
    return provider.openrouter ? [own, atOpenRouter(provider.openrouter, own.model)] : [own]
  }
  if (head === '') return vendorOf(model) ? [openRouterModel(model)] : []
  return ownProtocol.test(head) ? [] : [openRouterModel(model)]
}

const targetOf = ({ provider, model }: Candidate, key: string | undefined, at: Surroundings): Target => {
  const variable = provider.base_url_variable ?? ''
  const own = at.env(variable)?.trim() || undefined
  const given = own ?? at.serverUrl(variable)
  const base = (given ?? provider.base_url).replace(/\/+$/, '')
  return { provider, model, url: base + provider.chat_path, trusted: own === undefined && given !== undefined, key }
}

const keyOf = (provider: Provider, env: LookUpVariable): string | undefined =>
  provider.keys.map((name) => env(name)?.trim()).find(Boolean)

/** A custom provider may need no key, but always its URL; any other one is reached with a key alone. */
const isServed = ({ provider }: Candidate, key: string | undefined, env: LookUpVariable): boolean =>
  provider.base_url === '' ? Boolean(env(provider.base_url_variable!)?.trim()) : key !== undefined

/**
 * Finds who answers to a model's name as clients write it, and with which key of the environment. The provider that a
 * name means comes first; where it has no key, OpenRouter's stands in for those whose models it serves.
 */
export const resolveModel = (asked: Asked, at: Surroundings): Target | Unroutable => {
  const candidates =
    asked.provider === undefined
      ? ofName(asked.model, at.env)
      : ofProvider(asked.provider.toLowerCase(), asked.model, at.env)
  const [first] = candidates
  if (!first) {
    const unknown = asked.provider === undefined ? undefined : `there is no provider '${asked.provider}'`
    return { variables: [], problem: unknown }
  }
  // A key that came with the call belongs to the provider that the call means, and to no other.
  if (asked.key !== undefined) {
    if (first.standsIn) return { variables: [], problem: 'nothing tells whose key came with the call' }
    if (isServed(first, asked.key, at.env)) return targetOf(first, asked.key, at)
  }
  for (const candidate of candidates) {
    const key = keyOf(candidate.provider, at.env)
    if (isServed(candidate, key, at.env)) return targetOf(candidate, key, at)
  }
  const variables = candidates.map(({ provider }) =>
    provider.base_url === '' ? provider.base_url_variable! : provider.keys[0]!,
  )
  return { variables, problem: undefined }
}

/** The providers that a key in the environment reaches. */
export const servedProviders = (env: LookUpVariable): Provider[] =>
  catalogue.filter((provider) => keyOf(provider, env) !== undefined)
