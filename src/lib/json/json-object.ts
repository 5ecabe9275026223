/** An object as returned by JSON.parse. */
export type JsonObject = Record<string, unknown>

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Parses JSON; undefined when it is invalid. */
export const parsedJson = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** The value of a text in JSON; any other text stays as it is. */
export const jsonOrText = (text: string): unknown => {
  const value = parsedJson(text)
  return value === undefined ? text : value
}

/** Parses a JSON object; undefined for anything else. */
export const parsedObject = (text: string): JsonObject | undefined => {
  const value = parsedJson(text)
  return isObject(value) ? value : undefined
}

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
