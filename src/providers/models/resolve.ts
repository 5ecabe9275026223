import { lentKeyPlaceholder } from '../../model/collections/trial.ts'
import type { Shape } from '../../model/gateway/shape.ts'
import { type Address, addressOf, addressVariables, joined } from '../address.ts'
import { catalogue } from '../catalogue.ts'
import type { Asked, KeyHeader, LookUpVariable, Provider, Target } from '../provider.ts'
import { type Candidate, named, namedWithProvider } from './names.ts'

/** Why nobody answers: the variables of which one would do, and what is wrong where that is something else. */
export interface Unroutable {
  variables: string[]
  problem: string | undefined
  /** What to do about the problem. */
  hint?: string
}

/** What may be looked up: variables of the run, keys that the server lends it, base URLs that it was started with. */
export interface Surroundings {
  env: LookUpVariable
  /** Is there a key of the server's for this variable, which the caller may use and never see? */
  lent?: ((name: string) => boolean) | undefined
  lentKeys: LookUpVariable
  serverUrl: LookUpVariable
}

/** Whether it can be asked so: in that shape itself, or by its wire; messages can always be asked for as chat. */
export const answers = ({ paths, wire }: Provider, shape: Shape): boolean =>
  paths[shape] !== undefined ||
  wire.shapes.includes(shape) ||
  (paths.chat !== undefined && (shape === 'messages' || shape === 'responses'))

const inWords: Record<Shape, string> = {
  chat: 'chat completions',
  embeddings: 'embeddings',
  images: 'image generation',
  responses: 'responses',
  messages: 'messages',
}

type Key = { own: string } | { lent: string } | undefined

/** The caller's own key, in whichever variable of the provider; else one that is lent to it. */
const keyOf = ({ keys }: Provider, { env, lent }: Pick<Surroundings, 'env' | 'lent'>): Key => {
  const own = keys.map((name) => env(name)?.trim()).find((value) => value && value !== lentKeyPlaceholder)
  if (own) return { own }
  const name = keys.find((one) => lent?.(one))
  return name === undefined ? undefined : { lent: name }
}

/**
 * What is sent as the key. One that is lent goes to the address of the catalogue or of the server alone, never to one
 * that the caller chose.
 */
const keyFor = (key: Key, { setBy }: Address, at: Surroundings): string | undefined => {
  if (key === undefined) return undefined
  if ('own' in key) return key.own
  return setBy === 'environment' ? undefined : at.lentKeys(key.lent)
}

/** A custom provider may need no key, but always its URL; any other one is reached with a key alone. */
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
  return {
    provider,
    model,
    native: path !== undefined,
    url: path === undefined ? base_url : joined(base_url, path),
    base_url,
    trusted: setBy === 'server',
    headers: {
      ...provider.headers,
      ...(key === undefined ? {} : keyHeader(path === undefined ? wireAuth : auth, key)),
    },
    ...(key === undefined ? {} : { key }),
    ...(isLent ? { lent: true } : {}),
  }
}

const wrong = (problem: string, hint: string): Unroutable => ({ variables: [], problem, hint })
const correct = 'Correct it in the environment of the collection, or where the run was given it.'
const notLent = (variable: string): Unroutable =>
  wrong(
    `a key that was lent is sent to no address that the environment sets; ${variable} has to be your own`,
    'Set it in the environment of the collection, or take the address out of it.',
  )

/** One candidate with one key: where it goes, or what keeps it from being asked. */
const tried = (candidate: Candidate, key: Key, at: Surroundings, shape: Shape): Target | Unroutable => {
  const { provider } = candidate
  const address = addressOf(provider, at)
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

/** With the key that came with the call: it belongs to the provider that the call means, and to no other. */
const withGivenKey = (first: Candidate, key: string, at: Surroundings, shape: Shape): Target | Unroutable =>
  first.standsIn
    ? wrong('nothing tells whose key came with the call', 'Name the provider that the key is of in model_provider.')
    : tried(first, { own: key }, at, shape)

/**
 * Finds who answers to a model's name as clients write it, and with which key of the environment. The provider that a
 * name means comes first; where it has no key, OpenRouter's stands in for those whose models it serves.
 */
export const resolveModel = (asked: Asked, at: Surroundings, shape: Shape = 'chat'): Target | Unroutable => {
  const meant =
    asked.provider === undefined
      ? named(asked.model, at.env)
      : namedWithProvider(asked.provider.toLowerCase(), asked.model, at.env)
  const candidates = meant.filter(({ provider }) => answers(provider, shape))
  const [first] = candidates
  if (!first) {
    const unable = meant[0] && `${meant[0].provider.name} has no ${inWords[shape]} that this server knows of`
    if (unable) return wrong(unable, 'Ask a model of another provider, or this one as custom/<name>/<model>.')
    return { variables: [], problem: asked.provider && `there is no provider '${asked.provider}'` }
  }
  const given = asked.key === lentKeyPlaceholder ? undefined : asked.key
  if (given !== undefined) return withGivenKey(first, given, at, shape)
  const variables: string[] = []
  for (const candidate of candidates) {
    const found = tried(candidate, keyOf(candidate.provider, at), at, shape)
    // What is wrong is told: nobody stands in for a provider whose address was mistyped.
    if (isTarget(found) || found.problem !== undefined) return found
    variables.push(...found.variables)
  }
  return { variables, problem: undefined }
}

/** The way to a provider that answers none of the shapes, such as one whose models have inputs of their own. */
export const resolveProvider = (
  provider: Provider,
  { model, key }: Pick<Asked, 'model' | 'key'>,
  at: Surroundings,
): Target | Unroutable =>
  tried({ provider, model }, key && key !== lentKeyPlaceholder ? { own: key } : keyOf(provider, at), at, 'chat')

/** The providers that a key in the environment reaches. */
export const servedProviders = (env: LookUpVariable): Provider[] =>
  catalogue.filter(
    (provider) => keyOf(provider, { env }) !== undefined && addressVariables(provider).every((name) => env(name)),
  )
