import { parsedJson } from './json-object.ts'

/** Returns the content of a text that is one fenced block. */
const unfenced = (text: string): string | undefined => {
  const opened = text.startsWith('```') ? text.indexOf('\n') : -1
  return opened >= 0 && text.endsWith('```') ? text.slice(opened + 1, -3) : undefined
}

/** Parses an answer in JSON, also inside a fence; undefined when it is not JSON. */
export const jsonAnswer = (text: string): unknown => {
  const trimmed = text.trim()
  const direct = parsedJson(trimmed)
  if (direct !== undefined) return direct
  const inside = unfenced(trimmed)
  return inside === undefined ? undefined : parsedJson(inside)
}
