/** What JSON.parse makes of an object. */
export type JsonObject = Record<string, unknown>

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** The value of a JSON text; undefined where it is none. */
export const parsedJson = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** A JSON object from its text; undefined for anything else. */
export const parsedObject = (text: string): JsonObject | undefined => {
  const value = parsedJson(text)
  return isObject(value) ? value : undefined
}
