import { type ByteScrubber, makeByteScrubber } from './scrub-bytes.ts'
import { scrubbedJson } from './scrub-json.ts'
import { makeByteSearch, makeSecretFinder, type Secret, spellingsInBytes, spellingsOf } from './secret-finder.ts'

/**
 * Removes secret values from everything recorded, reported and stored. Finds values of at least six characters, plain
 * and as JSON, HTML, URL and base64 encode them; shorter ones would remove ordinary words.
 */
export interface Scrubber {
  text(text: string): string
  /** Returns the JSON text of a value with every secret in it replaced by `***`. */
  json(value: unknown): string
  /** Scrubs a value that is already JSON text. */
  jsonText(text: string): string
  /** Scrubs JSON text in UTF-8. Returns the same bytes when they hold no secret. */
  jsonBytes(bytes: Buffer): Buffer
  /** Makes a scrubber for byte streams; `keepsLength` replaces each byte of a secret by an asterisk. */
  bytes(options?: { keepsLength: boolean }): ByteScrubber
  /** True when there are no secrets to remove. */
  isEmpty: boolean
}

const mask = '***'

const asItIs: ByteScrubber = { push: (chunk) => Buffer.from(chunk), rest: () => Buffer.alloc(0), found: new Set() }

const nothingToStrike: Scrubber = {
  text: (text) => text,
  json: (value) => JSON.stringify(value) ?? 'null',
  jsonText: (text) => text,
  jsonBytes: (bytes) => bytes,
  bytes: () => asItIs,
  isEmpty: true,
}

export const makeScrubber = (secrets: readonly Secret[]): Scrubber => {
  const spellings = spellingsOf(secrets)
  if (spellings.size === 0) return nothingToStrike
  const finder = makeSecretFinder(spellings)
  const { find } = finder
  const holdsSecret = (text: string): boolean => find(text, 0) !== undefined
  const replace = (text: string): string => {
    let replaced = ''
    let from = 0
    for (let found = find(text, from); found; found = find(text, from)) {
      replaced += text.slice(from, found.start) + mask
      from = found.end
    }
    return replaced + text.slice(from)
  }
  const jsonText = (text: string) => (holdsSecret(text) ? scrubbedJson(text, finder, mask) : text)
  let inBytes: ReturnType<typeof makeSecretFinder> | undefined
  let holdsInBytes: ReturnType<typeof makeByteSearch> | undefined
  return {
    text: replace,
    json: (value) => jsonText(JSON.stringify(value) ?? 'null'),
    jsonText,
    jsonBytes(bytes) {
      holdsInBytes ??= makeByteSearch([...spellings.keys()])
      return holdsInBytes(bytes) ? Buffer.from(jsonText(bytes.toString())) : bytes
    },
    bytes(options) {
      inBytes ??= makeSecretFinder(spellingsInBytes(spellings))
      return makeByteScrubber(inBytes, (length) => (options?.keepsLength ? '*'.repeat(length) : mask))
    },
    isEmpty: false,
  }
}
