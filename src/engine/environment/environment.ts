import { makeScrubber, type Scrubber } from '../../lib/secrets/scrub.ts'
import type { Secret } from '../../lib/secrets/secret-finder.ts'
import { lentKeyPlaceholder } from '../../model/collections/trial.ts'

/** Environment of a run: looked up by name, and scrubbed from everything recorded. */
export interface Environment {
  get(name: string): string | undefined
  /**
   * Whether the server lends the key of that name: `get` then returns a placeholder, and nothing in the run sees the
   * key.
   */
  lent(name: string): boolean
  scrub: Scrubber
  /** URL that continues a step of the run; undefined unless the workflow refers to it. Its token is scrubbed. */
  callback(step: string): string | undefined
  /** Names of all values. */
  names: readonly string[]
  /** Names of the values given with this run only. */
  secretNames: readonly string[]
  isEmpty: boolean
  /** Equal for equal values; undefined when some are secrets of one run, or lent. */
  version: string | undefined
}

export const emptyEnvironment: Environment = {
  get: () => undefined,
  lent: () => false,
  callback: () => undefined,
  scrub: makeScrubber([]),
  names: [],
  secretNames: [],
  isEmpty: true,
  version: '',
}

/**
 * Makes the environment: `secrets` of the run override `variables` of its collection; an overridden value is scrubbed
 * too. `lent` are keys of the server by name: they fill gaps, and only the scrubber sees their values. `tokens` are
 * scrubbed as well.
 */
export const makeEnvironment = (
  variables: Record<string, string>,
  secrets: Record<string, string>,
  lent: Record<string, string> = {},
  version?: string,
  tokens: readonly Secret[] = [],
): Environment => {
  const values = new Map([...Object.entries(variables), ...Object.entries(secrets)])
  const isLent = new Set(Object.keys(lent).filter((name) => !values.get(name)?.trim()))
  const keys: Secret[] = isLent.size > 0 ? [...Object.entries(lent), ['a key that is lent', lentKeyPlaceholder]] : []
  const scrub = makeScrubber([...Object.entries(variables), ...Object.entries(secrets), ...keys, ...tokens])
  return {
    get: (name) => (isLent.has(name) ? lentKeyPlaceholder : values.get(name)),
    lent: (name) => isLent.has(name),
    scrub,
    callback: () => undefined,
    names: [...values.keys(), ...isLent],
    secretNames: Object.keys(secrets),
    isEmpty: values.size === 0 && isLent.size === 0,
    version,
  }
}
