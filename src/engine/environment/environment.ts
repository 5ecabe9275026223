import { makeScrubber, type Scrubber } from '../../lib/secrets/scrub.ts'
import type { Secret } from '../../lib/secrets/secret-finder.ts'
import { lentKeyPlaceholder } from '../../model/collections/trial.ts'

/** The runtime environment of a run: looked up by name, and struck out of everything recorded. */
export interface Environment {
  get(name: string): string | undefined
  /** Whether the key of that name is lent by the server: then `get` gives a placeholder, and nobody here the key. */
  lent(name: string): boolean
  scrub: Scrubber
  /** Names of the values that were given with the run alone. */
  secretNames: readonly string[]
  isEmpty: boolean
  /** The same for the same values; undefined where some of them are secrets of one run, or lent. */
  version: string | undefined
}

export const emptyEnvironment: Environment = {
  get: () => undefined,
  lent: () => false,
  scrub: makeScrubber([]),
  secretNames: [],
  isEmpty: true,
  version: '',
}

/**
 * `secrets` of the run win over the `variables` of its collection; a variable that is hidden so is struck out as well.
 * `lent` are keys of the server by their names: they fill what is missing, and can be told only by the scrubber.
 */
export const makeEnvironment = (
  variables: Record<string, string>,
  secrets: Record<string, string>,
  lent: Record<string, string> = {},
  version?: string,
): Environment => {
  const values = new Map([...Object.entries(variables), ...Object.entries(secrets)])
  const isLent = new Set(Object.keys(lent).filter((name) => !values.get(name)?.trim()))
  const keys: Secret[] = isLent.size > 0 ? [...Object.entries(lent), ['a key that is lent', lentKeyPlaceholder]] : []
  const scrub = makeScrubber([...Object.entries(variables), ...Object.entries(secrets), ...keys])
  return {
    get: (name) => (isLent.has(name) ? lentKeyPlaceholder : values.get(name)),
    lent: (name) => isLent.has(name),
    scrub,
    secretNames: Object.keys(secrets),
    isEmpty: values.size === 0 && isLent.size === 0,
    version,
  }
}
