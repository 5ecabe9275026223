import { jsonrepair } from 'jsonrepair'
import { isDeeperThan, maxJsonDepth, skipString } from '../../lib/json/json-text.ts'

/** A JSON object found in a text, within prose or a fence. */
export interface FoundObject {
  /** Its position: `text.slice(start, end)`. */
  start: number
  end: number
  /** Undefined when it looks like JSON but cannot be parsed even after repair. */
  value: Record<string, unknown> | undefined
  repaired: boolean
}

/** Enough for any real answer; keeps the time linear for a text that consists of braces. */
const mostTries = 32
const mostRepairedCharacters = 16 * 1024

/** Index after the brace that closes the one at `start`, or undefined. */
const closedAt = (text: string, start: number): number | undefined => {
  let depth = 0
  for (let at = start; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === 34) at = skipString(text, at) - 1
    else if (code === 123) depth++
    else if (code === 125 && --depth === 0) return at + 1
  }
  return undefined
}

const asObject = (text: string): Record<string, unknown> | undefined => {
  const value: unknown = JSON.parse(text)
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : undefined
}

const attempt = (read: () => Record<string, unknown> | undefined): Record<string, unknown> | undefined => {
  try {
    return read()
  } catch {
    return undefined
  }
}

/** A number cut off after a digit may have been longer. */
const endsInNumber = /\d[.\d]{0,20}$/

/** Finds the outermost objects of a text in order, parsed strictly or else repaired. */
export const objectsIn = (text: string): FoundObject[] => {
  const found: FoundObject[] = []
  let repairable = mostRepairedCharacters
  let start = text.indexOf('{')
  for (let tries = 0; start >= 0 && tries < mostTries; tries++) {
    const closed = closedAt(text, start)
    if (closed === undefined) tries += 3 // the whole text was scanned
    const end = closed ?? text.length
    const piece = text.slice(start, end)
    const short = piece.length <= repairable
    const deep = (closed !== undefined || short) && isDeeperThan(piece, maxJsonDepth)
    const strict = deep || closed === undefined ? undefined : attempt(() => asObject(piece))
    let value = strict
    const cut = closed === undefined && endsInNumber.test(piece.slice(-30).trimEnd())
    if (!strict && !deep && !cut && short) {
      repairable -= piece.length
      value = attempt(() => asObject(jsonrepair(piece)))
    }
    const looksLikeJson = /^\{\s{0,9}["']/.test(piece)
    if (value || looksLikeJson) found.push({ start, end, value, repaired: !strict })
    // Neither parsed nor JSON-like: it may have begun with a stray brace, so continue after that.
    start = text.indexOf('{', value || looksLikeJson ? end : (closed ?? start + 1))
  }
  return found
}
