import { makeLru } from '../../../lib/memory/lru.ts'
import { makeScrubber, type Scrubber } from '../../../lib/secrets/scrub.ts'
import { makeSecretFinder, type Secret, type SecretFinder, spellingsOf } from '../../../lib/secrets/secret-finder.ts'

/** Removes the keys that a provider was called with from its answers. */
export interface KeyRedactor {
  scrub: Scrubber
  find: SecretFinder['find']
  /** Index of the ending of a text that may become a key with the next characters; its length if there is none. */
  begun(text: string): number
  /** Tells quickly, for every event, whether its text may contain a key or end with the beginning of one. */
  mayBegin(text: string): boolean
}

/** Characters of a key that may be sent before it is recognised: `sk-pr` reveals nothing. */
export const passedCharacters = 6

/**
 * Whether a key is an ordinary word. Servers without keys are often given one, such as `ollama`, which may occur in
 * answers.
 */
const isWord = (key: string): boolean => key.length < 20 && /^(?:[a-z]+(?:[-_ ][a-z]+)*|\d+)$/i.test(key)

const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&')

const makeRedactor = (secrets: readonly Secret[]): KeyRedactor | undefined => {
  const spellings = spellingsOf(secrets)
  if (spellings.size === 0) return undefined
  const { find, begun } = makeSecretFinder(spellings)
  const beginnings = new RegExp(
    [...new Set([...spellings.keys()].map((one) => escaped(one.slice(0, passedCharacters))))].join('|'),
  )
  return {
    scrub: makeScrubber(secrets),
    find,
    begun: (text) => {
      const at = begun(text, 0)
      return text.length - at < passedCharacters ? text.length : at
    },
    mayBegin: (text) => beginnings.test(text),
  }
}

const mostKnown = 1000

/**
 * Makes the function that returns the redactor for some keys; undefined if none of them is a secret. Making one takes
 * longer than using it, so they are cached.
 */
export const makeKeyRedactors = (): ((keys: readonly string[]) => KeyRedactor | undefined) => {
  const known = makeLru<string, { redactor: KeyRedactor | undefined }>(mostKnown)
  return (keys) => {
    const id = keys.length === 1 ? (keys[0] as string) : `\n${JSON.stringify(keys)}`
    const found = known.get(id)
    if (found) return found.redactor
    const secrets = keys.filter((key) => !isWord(key))
    const redactor = secrets.length === 0 ? undefined : makeRedactor(secrets.map((key) => ['key', key]))
    known.set(id, { redactor })
    return redactor
  }
}
