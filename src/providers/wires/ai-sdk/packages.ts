import { impossible } from '../../upstream/errors.ts'
import type { Package, SdkCall } from './dialect.ts'
import { fetchFor } from './fetch.ts'

/**
 * Placeholder for the key. Without one the packages would take a key from the environment of this process, which is not
 * for callers. `fetch` replaces it by the real key.
 */
const apiKey = 'put-in-on-the-way-out'

/** A model name that is part of a path must not lead the path elsewhere. */
const nameInPath = /^[\w-][\w.:@~+-]*(?:\/[\w-][\w.:@~+-]*)*$/

/** Loads the package for a call, with the first call that needs it. */
export const packageFor = (call: SdkCall, expected: 'stream' | 'body'): Promise<Package> => {
  if (call.dialect.hasNameInPath && !nameInPath.test(call.model)) {
    const hint = 'It may have letters, digits and .:@~+-_ with single slashes between.'
    throw impossible(call, `'${call.model.slice(0, 200)}' is not the name of a model`, hint)
  }
  return call.dialect.load(call, { apiKey, fetch: fetchFor(call, expected) })
}
