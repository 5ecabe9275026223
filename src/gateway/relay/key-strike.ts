import { makeScrubber, type Scrubber } from '../../lib/secrets/scrub.ts'
import { makeSecretFinder, type Secret, type SecretFinder, spellingsOf } from '../../lib/secrets/secret-finder.ts'

/** What the key of a provider is taken out of its answers with. */
export interface KeyStrike {
  scrub: Scrubber
  find: SecretFinder['find']
  /** Where an end of the text begins that may become a key with what comes next; its length where none does. */
  begun(text: string): number
  /** Whether a key may stand in it, or begin at its end: asked of every event, and quickly said. */
  mayBegin(text: string): boolean
}

/** So much of a key may have left before anybody can tell that it is one: `sk-pr` says nothing. */
export const toldCharacters = 6

/** Whoever needs no key is often given a word as one, `ollama`; he says it in every answer. */
const isWord = (key: string): boolean => key.length < 20 && /^(?:[a-z]+(?:[-_ ][a-z]+)*|\d+)$/i.test(key)

const quoted = (text: string): string => text.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&')

const makeStrike = (secrets: readonly Secret[]): KeyStrike | undefined => {
  const spellings = spellingsOf(secrets)
  if (spellings.size === 0) return undefined
  const { find, begun } = makeSecretFinder(spellings)
  const beginnings = new RegExp(
    [...new Set([...spellings.keys()].map((one) => quoted(one.slice(0, toldCharacters))))].join('|'),
  )
  return {
    scrub: makeScrubber(secrets),
    find,
    begun: (text) => {
      const at = begun(text, 0)
      return text.length - at < toldCharacters ? text.length : at
    },
    mayBegin: (text) => beginnings.test(text),
  }
}

const mostKnown = 1000

/**
 * Makes the function that gives what takes some keys out of an answer; undefined where they are none. To make one takes
 * longer than to use it, so they are kept.
 */
export const makeKeyStrikes = (): ((keys: readonly string[]) => KeyStrike | undefined) => {
  const known = new Map<string, KeyStrike | undefined>()
  return (keys) => {
    const secrets = keys.filter((key) => !isWord(key))
    if (secrets.length === 0) return undefined
    const id = JSON.stringify(secrets)
    if (known.has(id)) return known.get(id)
    if (known.size === mostKnown) known.clear()
    const made = makeStrike(secrets.map((key) => ['key', key]))
    known.set(id, made)
    return made
  }
}
