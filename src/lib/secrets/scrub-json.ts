import { skipString } from '../json/json-text.ts'
import type { SecretFinder } from './secret-finder.ts'
import { makeTextScrubber } from './strike.ts'

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
export const scrubbedJson = (text: string, finder: SecretFinder, mask: string): string => {
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
