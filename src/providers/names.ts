import { catalogue, findProvider } from './catalogue.ts'
import type { LookUpVariable, Provider } from './provider.ts'

/** Somebody who may be meant by a name, and what it calls the model. */
export interface Candidate {
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
    paths: {
      chat: '/chat/completions',
      embeddings: '/embeddings',
      images: '/images/generations',
      responses: '/responses',
    },
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

/** Who is meant where the provider is named apart from the model. */
export const namedWithProvider = (id: string, model: string, env: LookUpVariable): Candidate[] => {
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

/** Who may be meant by the name of a model, the likeliest first; nobody where nothing tells. */
export const named = (model: string, env: LookUpVariable): Candidate[] => {
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
