import { now } from '../lib/time.ts'

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

/** Statuses that say something about the key or the provider; others, such as 400, are about the request. */
const isFailure = (status: number): boolean => [401, 402, 403, 429].includes(status) || status >= 500

/** Notes that a provider answered with a status. What it said is not kept: it may hold text of a run. */
export const noteProviderAnswer = (name: string, status: number): void => {
  if (isFailure(status)) noteProviderFailure(name, `It answered ${status}`)
  else noteGoodAnswer(healthOf(name))
}

const noteGoodAnswer = (health: ProviderHealth): void => {
  health.calls += 1
  health.lastAnswerMs = now()
}

/** Notes that a provider did not answer, or refused. */
export const noteProviderFailure = (name: string, reason: string): void => {
  const health = healthOf(name)
  health.calls += 1
  health.failures += 1
  health.lastFailure = { ms: now(), reason }
}

/** All providers that this process called. */
export const providerHealth = (): ProviderHealth[] => [...known.values()].map((one) => ({ ...one }))
