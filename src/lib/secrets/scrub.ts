import { skipString } from '../json/json-text.ts'
import { type ByteScrubber, makeByteScrubber, makeTextScrubber } from './scrub-bytes.ts'
import {
  makeByteSearch,
  makeSecretFinder,
  type Secret,
  type SecretFinder,
  spellingsInBytes,
  spellingsOf,
} from './secret-finder.ts'

/** Characters of an escaped string decoded at a time. */
const pieceLength = 64 * 1024

const isDigitOrMinus = (code: number): boolean => (code >= 48 && code <= 57) || code === 45
const isOfNumber = (code: number): boolean => isDigitOrMinus(code) || code === 46 || code === 43 || (code | 32) === 101

/** End index of a piece, never within an escape sequence. */
const pieceEnd = (raw: string, from: number): number => {
  const most = from + pieceLength
  let at = from
  while (at < most) {
    const next = raw.indexOf('\\', at)
    if (next < 0 || next >= most) return Math.min(most, raw.length)
    at = next + (raw[next + 1] === 'u' ? 6 : 2)
  }
  return Math.min(at, raw.length)
}

/**
 * Replaces every secret in the strings, keys and numbers of a JSON text by `mask`. Scans the text once and copies only
 * what it changes: values of many megabytes are neither parsed nor rewritten.
 */
const scrubbedJson = (text: string, finder: SecretFinder, mask: string): string => {
  const maskOf = () => mask

  /** Scrubs the content of a string; undefined when it has no secret. */
  const scrubbedString = (raw: string): string | undefined => {
    const scrubber = makeTextScrubber(finder, maskOf)
    if (!raw.includes('\\')) {
      return finder.find(raw, 0) && scrubber.push(raw) + scrubber.rest()
    }
    const clean: string[] = []
    let isChanged = false
    const scrubberOfPieces = makeTextScrubber(finder, maskOf, () => {
      isChanged = true
    })
    const write = (piece: string) => void clean.push(JSON.stringify(piece).slice(1, -1))
    for (let from = 0; from < raw.length; ) {
      const end = pieceEnd(raw, from)
      write(scrubberOfPieces.push(JSON.parse(`"${raw.slice(from, end)}"`) as string))
      from = end
    }
    write(scrubberOfPieces.rest())
    return isChanged ? clean.join('') : undefined
  }

  const holdsSecret = (number: string): boolean =>
    finder.find(number, 0) !== undefined || finder.find(String(Number(number)), 0) !== undefined

  const pieces: string[] = []
  let copied = 0
  const replace = (from: number, to: number, by: string) => {
    pieces.push(text.slice(copied, from), by)
    copied = to
  }
  for (let at = 0; at < text.length; ) {
    const code = text.charCodeAt(at)
    if (code === 34) {
      const end = skipString(text, at)
      const clean = scrubbedString(text.slice(at + 1, end - 1))
      if (clean !== undefined) replace(at + 1, end - 1, clean)
      at = end
    } else if (isDigitOrMinus(code)) {
      let end = at + 1
      while (isOfNumber(text.charCodeAt(end))) end++
      if (holdsSecret(text.slice(at, end))) replace(at, end, JSON.stringify(mask))
      at = end
    } else at++
  }
  return pieces.length === 0 ? text : pieces.join('') + text.slice(copied)
}

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
