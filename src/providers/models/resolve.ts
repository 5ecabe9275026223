import { lentKeyPlaceholder } from '../../model/collections/trial.ts'
import { convertedTo, isGoogle, type Shape, shapeFacts } from '../../model/gateway/shape.ts'
import { type Address, addressVariables, baseUrlOf, joined } from '../address.ts'
import { catalogue } from '../catalogue.ts'
import type { Asked, KeyHeader, LookUpVariable, Provider, Target } from '../provider.ts'
import { type Candidate, named, namedWithProvider } from './names.ts'

/** Why no provider can answer: one of these variables is missing, or another problem. */
export interface Unroutable {
  variables: string[]
  problem: string | undefined
  /** The remedy of the problem. */
  hint?: string
}

/** Sources for resolving a model's name: variables of the run, lent keys, and base URLs of the server. */
interface Surroundings {
  env: LookUpVariable
  /** Whether the server lends a key for this variable, which the caller may use but not see. */
  lent?: ((name: string) => boolean) | undefined
  lentKeys: LookUpVariable
  serverUrl: LookUpVariable
}

/** Whether a provider can answer a shape: by itself, through its wire, or with a chat where that will do. */
export const answers = ({ paths, wire }: Provider, shape: Shape): boolean =>
  paths[shape] !== undefined ||
  wire.shapes.includes(convertedTo(shape)) ||
  (paths.chat !== undefined && (convertedTo(shape) === 'chat' || shapeFacts[shape].insteadChat === true))

const inWords: Record<Shape, string> = {
  chat: 'chat completions',
  completions: 'completions',
  embeddings: 'embeddings',
  images: 'image generation',
  responses: 'responses',
  messages: 'messages',
  message_tokens: 'counts of tokens',
  gemini: 'generateContent',
  gemini_tokens: 'countTokens',
  moderations: 'moderations',
  rerank: 'reranking',
  speech: 'speech',
  transcriptions: 'transcriptions',
  translations: 'translations of audio',
}

type Key = { own: string } | { lent: string } | undefined

/** The caller's own key from any variable of the provider, else a lent one. */
const keyOf = ({ keys }: Provider, { env, lent }: Pick<Surroundings, 'env' | 'lent'>): Key => {
  const own = keys.map((name) => env(name)?.trim()).find((value) => value && value !== lentKeyPlaceholder)
  if (own) return { own }
  const name = keys.find((one) => lent?.(one))
  return name === undefined ? undefined : { lent: name }
}

/** The key to send. A lent key is sent only to an address of the catalogue or the server, never to one of the caller. */
const keyFor = (key: Key, { setBy }: Address, at: Surroundings): string | undefined => {
  if (key === undefined) return undefined
  if ('own' in key) return key.own
  return setBy === 'environment' ? undefined : at.lentKeys(key.lent)
}

/** A custom provider may need no key; every other one does. */
const needsKey = ({ base_url }: Provider): boolean => base_url !== ''

const keyHeader = (name: KeyHeader, key: string): Record<string, string> =>
  name === 'bearer' ? { authorization: `Bearer ${key}` } : { [name]: key }

const targetOf = (
  { provider, model }: Candidate,
  { base_url, setBy }: Address,
  key: string | undefined,
  isLent: boolean,
  shape: Shape,
): Target => {
  const path = provider.paths[shape]
  const { auth, wire_auth: wireAuth = auth } = provider
  const withKey =
    key === undefined ? undefined : keyHeader(path === undefined || isGoogle(shape) ? wireAuth : auth, key)
  const target: Target = {
    provider,
    model,
    native: path !== undefined,
    url: path === undefined ? base_url : joined(base_url, path),
    base_url,
    trusted: setBy === 'server',
    headers: { ...provider.headers, ...withKey },
  }
  if (key !== undefined) target.key = key
  if (isLent) target.lent = true
  return target
}

const wrong = (problem: string, hint: string): Unroutable => ({ variables: [], problem, hint })
const correct = 'Correct it in the environment of the collection, or in the variables of the run.'
const notLent = (variable: string): Unroutable =>
  wrong(
    `a lent key is not sent to an address that the environment sets; ${variable} has to be your own`,
    'Set it in the environment of the collection, or take the address out of it.',
  )

/** The target of a candidate with a key, or why it cannot be called. */
const tried = (candidate: Candidate, key: Key, at: Surroundings, shape: Shape): Target | Unroutable => {
  const { provider } = candidate
  const address = baseUrlOf(provider, at)
  if ('variable' in address) {
    const missing = key === undefined && needsKey(provider) ? provider.keys.slice(0, 1) : [address.variable]
    return address.problem === undefined ? { variables: missing, problem: undefined } : wrong(address.problem, correct)
  }
  const value = keyFor(key, address, at)
  if (value !== undefined || !needsKey(provider)) {
    const isLent = value !== undefined && key !== undefined && 'lent' in key
    return targetOf(candidate, address, value, isLent, shape)
  }
  const [variable = ''] = provider.keys
  return key === undefined ? { variables: [variable], problem: undefined } : notLent(variable)
}

const isTarget = (found: Target | Unroutable): found is Target => 'url' in found

/** Uses the key that came with the call, which belongs to the provider that the call means and to no other. */
const withGivenKey = (first: Candidate, key: string, at: Surroundings, shape: Shape): Target | Unroutable =>
  first.standsIn
    ? wrong('it is not known which provider the key of the call is for', 'Name that provider in model_provider.')
    : tried(first, { own: key }, at, shape)

/**
 * Resolves a model's name, as clients write it, to a provider and a key of the environment. The provider that the name
 * means comes first; without its key, OpenRouter stands in if it serves the model.
 */
export const resolveModel = (asked: Asked, at: Surroundings, shape: Shape = 'chat'): Target | Unroutable => {
  const meant =
    asked.provider === undefined
      ? named(asked.model, at.env)
      : namedWithProvider(asked.provider.toLowerCase(), asked.model, at.env)
  const candidates = meant.filter(({ provider }) => answers(provider, shape))
  const [first] = candidates
  if (!first) {
    const otherwise = shapeFacts[shape].insteadChat ? ': call it with POST /v1/chat/completions' : ''
    const unable =
      meant[0] && `${meant[0].provider.name} has no ${inWords[shape]} that this server knows of${otherwise}`
    if (unable) return wrong(unable, 'Ask a model of another provider, or this one as custom/<name>/<model>.')
    return { variables: [], problem: asked.provider && `there is no provider '${asked.provider}'` }
  }
  const given = asked.key === lentKeyPlaceholder ? undefined : asked.key
  if (given !== undefined) return withGivenKey(first, given, at, shape)
  const variables: string[] = []
  for (const candidate of candidates) {
    const found = tried(candidate, keyOf(candidate.provider, at), at, shape)
    // A mistyped address is reported: no other provider stands in for it.
    if (isTarget(found) || found.problem !== undefined) return found
    variables.push(...found.variables)
  }
  return { variables, problem: undefined }
}

/** Resolves a provider for requests outside of the shapes. */
export const resolveProvider = (
  provider: Provider,
  { model, key }: Pick<Asked, 'model' | 'key'>,
  at: Surroundings,
): Target | Unroutable =>
  tried({ provider, model }, key && key !== lentKeyPlaceholder ? { own: key } : keyOf(provider, at), at, 'chat')

/** The providers for which the environment holds a key. */
export const servedProviders = (env: LookUpVariable): Provider[] =>
  catalogue.filter(
    (provider) => keyOf(provider, { env }) !== undefined && addressVariables(provider).every((name) => env(name)),
  )
