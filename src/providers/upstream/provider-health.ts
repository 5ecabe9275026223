import { now } from '../../lib/time.ts'

/** Outcomes of the calls to a provider since the process started. */
interface ProviderHealth {
  /** The name of the provider. */
  name: string
  calls: number
  failures: number
  /** Milliseconds since 1970; undefined: never. */
  lastAnswerMs: number | undefined
  lastFailure: { ms: number; reason: string } | undefined
}

/** A caller may invent any number of custom providers: those that were called first give way. */
const mostProviders = 200
const known = new Map<string, ProviderHealth>()

const healthOf = (name: string): ProviderHealth => {
  const found = known.get(name)
  if (found) return found
  const made: ProviderHealth = { name, calls: 0, failures: 0, lastAnswerMs: undefined, lastFailure: undefined }
  known.set(name, made)
  const [first] = known.keys()
  if (known.size > mostProviders && first !== undefined) known.delete(first)
  return made
}

/** Calls of one model since the process started. */
export interface ModelCalls {
  /** `other`: those beyond the bound. */
  provider: string
  /** Its name; `other`: models that have not answered yet, and those beyond the bound. */
  model: string
  calls: number
  failures: number
  /** Tokens of the answers, as their providers counted them, or estimated. */
  tokens: number
  /** US dollars, as far as prices are known. */
  usd: number
}

/** A caller may invent names of models, so one is counted by its name only once it has answered. */
const mostModels = 200
const models = new Map<string, ModelCalls>()

const callsOf = (provider: string, model: string, hasAnswered: boolean): ModelCalls => {
  const found = models.get(`${provider}/${model}`)
  if (found) return found
  if (model !== 'other' && (!hasAnswered || models.size >= mostModels)) return callsOf(provider, 'other', true)
  if (models.size >= 2 * mostModels && provider !== 'other') return callsOf('other', 'other', true)
  const made: ModelCalls = { provider, model, calls: 0, failures: 0, tokens: 0, usd: 0 }
  models.set(`${provider}/${model}`, made)
  return made
}

/** A call as its outcome is counted: the name of the provider, and the name that it uses for the model. */
interface Called {
  provider: { name: string }
  model: string
}

const countCall = ({ provider, model }: Called, outcome: { isFailure: boolean; hasAnswered: boolean }): void => {
  const counted = callsOf(provider.name, model, outcome.hasAnswered)
  counted.calls += 1
  if (outcome.isFailure) counted.failures += 1
}

/** Statuses that say something about the key or the provider; others, such as 400, are about the request. */
const isFailure = (status: number): boolean => [401, 402, 403, 429].includes(status) || status >= 500

/** Notes that a provider answered with a status. What it said is not kept: it may hold text of a run. */
export const noteProviderAnswer = (called: Called, status: number): void => {
  if (isFailure(status)) {
    noteProviderFailure(called, `It answered ${status}`)
    return
  }
  const health = healthOf(called.provider.name)
  health.calls += 1
  health.lastAnswerMs = now()
  countCall(called, { isFailure: false, hasAnswered: status < 300 })
}

/** Notes that a provider did not answer, or refused. */
export const noteProviderFailure = (called: Called, reason: string): void => {
  const health = healthOf(called.provider.name)
  health.calls += 1
  health.failures += 1
  health.lastFailure = { ms: now(), reason }
  countCall(called, { isFailure: true, hasAnswered: false })
}

/** Notes what an answer has used; null where it is not known. */
export const noteModelUsage = ({ provider, model }: Called, tokens: number | null, usd: number | null): void => {
  const counted = callsOf(provider.name, model, true)
  counted.tokens += tokens ?? 0
  counted.usd += usd ?? 0
}

/** All providers that this process called. */
export const providerHealth = (): ProviderHealth[] => [...known.values()].map((one) => ({ ...one }))

/** All models that this process called. */
export const modelCalls = (): readonly ModelCalls[] => [...models.values()]
