import { parsedJson } from '../../lib/json/json-object.ts'
import type { Json } from '../activity.ts'

/** What stands between the fences of a text that is one fenced block. */
const unfenced = (text: string): string | undefined => {
  const opened = text.startsWith('```') ? text.indexOf('\n') : -1
  return opened >= 0 && text.endsWith('```') ? text.slice(opened + 1, -3) : undefined
}

/** The value that an answer in JSON holds, a fence around it taken off; undefined where it is not JSON. */
export const jsonAnswer = (text: string): Json | undefined => {
  const trimmed = text.trim()
  const direct = parsedJson(trimmed) as Json | undefined
  if (direct !== undefined) return direct
  const inside = unfenced(trimmed)
  return inside === undefined ? undefined : (parsedJson(inside) as Json | undefined)
}
