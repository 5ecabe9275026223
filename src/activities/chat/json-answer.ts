import { parsedJson } from '../../lib/json/json-object.ts'
import type { Json } from '../activity.ts'

/** Returns the content of a text that is one fenced block. */
const unfenced = (text: string): string | undefined => {
  const opened = text.startsWith('```') ? text.indexOf('\n') : -1
  return opened >= 0 && text.endsWith('```') ? text.slice(opened + 1, -3) : undefined
}

/** Parses an answer in JSON, also inside a fence; undefined when it is not JSON. */
export const jsonAnswer = (text: string): Json | undefined => {
  const trimmed = text.trim()
  const direct = parsedJson(trimmed) as Json | undefined
  if (direct !== undefined) return direct
  const inside = unfenced(trimmed)
  return inside === undefined ? undefined : (parsedJson(inside) as Json | undefined)
}
