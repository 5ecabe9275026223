import { catalogue, findProvider } from '../catalogue.ts'
import type { LookUpVariable, Provider } from '../provider.ts'
import { openAiWire } from '../wires/openai/wire.ts'

/** A provider that a name may mean, and its own name for the model. */
export interface Candidate {
  provider: Provider
  model: string
  /** It replaces the provider that was meant, so a key that came with the call is not sent to it. */
  standsIn?: boolean
}

const openrouter = findProvider('openrouter')!
/** Endings with which only OpenRouter distinguishes offers of one model. */
const offer = /:(free|beta|thinking|nitro|floor|online|extended|exacto)$/

/** OpenRouter writes `claude-sonnet-4.6`, Anthropic `claude-sonnet-4-6` or the same with a date. */
const dotted = (model: string): string =>
  model.includes('.') ? model : model.replace(/-(\d{8}|latest)$/, '').replace(/(\d)-(\d{1,2})(?!\d)/g, '$1.$2')

const dashed = (model: string): string => model.replace(/(\d)\.(\d)/g, '$1-$2')

const atOpenRouter = (vendor: string, model: string): Candidate => ({
  provider: openrouter,
  model: `${vendor}/${vendor === 'anthropic' ? dotted(model) : model}`,
  standsIn: true,
})

const split = (name: string): [head: string, rest: string] => {
  const slash = name.indexOf('/')
  return slash < 0 ? ['', name] : [name.slice(0, slash), name.slice(slash + 1)]
}

const withoutPrefix = (model: string, provider: Provider): string => {
  const [head, rest] = split(model)
  return head !== '' && findProvider(head) === provider ? rest : model
}

/** A provider that is known only by its base URL: `custom/ollama/…` is what answers at OLLAMA_BASE_URL. */
const customProvider = (name: string): Provider | undefined => {
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
      completions: '/completions',
      embeddings: '/embeddings',
      images: '/images/generations',
      responses: '/responses',
      moderations: '/moderations',
      rerank: '/rerank',
      speech: '/audio/speech',
      transcriptions: '/audio/transcriptions',
      translations: '/audio/translations',
    },
    keys: [`${variable}_API_KEY`],
    auth: 'bearer',
    wire: openAiWire,
    source: 'the environment of the run',
  }
}

const byModelName = (model: string): Provider | undefined => catalogue.find((one) => one.model_names?.test(model))

/** OpenRouter's name for the vendor: some of our ids are vendors of other models there. */
const vendorOf = (head: string, provider: Provider | undefined, model: string): string => {
  const isOurs = provider?.model_names === undefined || provider.model_names.test(model)
  return (isOurs ? provider?.openrouter : undefined) ?? head
}

/** OpenRouter's name for a model, always `vendor/name`. */
const openRouterModel = (model: string): Candidate => {
  const [head, rest] = split(model)
  if (head === 'openrouter' && rest.includes('/')) return openRouterModel(rest)
  if (head !== '' && head !== 'openrouter') return atOpenRouter(vendorOf(head, findProvider(head), rest), rest)
  const vendor = byModelName(rest)?.openrouter
  return vendor === undefined ? { provider: openrouter, model } : atOpenRouter(vendor, rest)
}

/** The provider itself, and OpenRouter if it serves the model too. */
const servedBy = (provider: Provider, head: string, model: string): Candidate[] => {
  if (provider === openrouter) return [{ ...openRouterModel(model), standsIn: false }]
  const own = { provider, model: provider.id === 'anthropic' ? dashed(model) : model }
  if (provider.openrouter === undefined) return [own]
  const vendor = vendorOf(head, provider, model) || provider.openrouter
  const router = atOpenRouter(vendor, model)
  return offer.test(model) && (head === '' || head === vendor) ? [router] : [own, router]
}

/** The candidates when the provider is named apart from the model. */
export const namedWithProvider = (id: string, model: string, env: LookUpVariable): Candidate[] => {
  const provider = findProvider(id)
  if (provider) return servedBy(provider, id, provider === openrouter ? model : withoutPrefix(model, provider))
  const name = id.replace(/^custom\//, '')
  const custom = customProvider(name)
  const isThere = custom && (id !== name || env(custom.base_url_variable!) !== undefined)
  if (!isThere) return []
  return [{ provider: custom, model: model.replace(/^custom\//, '').replace(`${name}/`, '') }]
}

/** The candidates for the name of a model, the likeliest first. */
export const named = (model: string, env: LookUpVariable): Candidate[] => {
  const [head, rest] = split(model)
  if (rest === '') return []
  if (head === 'custom' || (head !== '' && !findProvider(head) && env(customProvider(head)?.base_url_variable ?? ''))) {
    const [name, inner] = head === 'custom' ? split(rest) : [head, rest]
    const custom = customProvider(name)
    return custom && inner !== '' ? [{ provider: custom, model: inner }] : []
  }
  const provider = head === '' ? byModelName(model) : findProvider(head)
  if (provider === openrouter) return [{ ...openRouterModel(model), standsIn: false }]
  if (provider) return servedBy(provider, head, head === '' ? model : rest)
  return head === '' ? [] : [openRouterModel(model)]
}
