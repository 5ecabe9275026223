/** A name and what is entered for it. */
export interface NamedEntry {
  name: string
  entry: string
}

const entryOf = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value))

/** The rows of an object: texts as they are, other values as JSON. */
export const pairsOf = (value: unknown): NamedEntry[] =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? Object.entries(value).map(([name, one]) => ({ name, entry: entryOf(one) }))
    : []

const parsed = (entry: string): unknown => {
  try {
    return JSON.parse(entry)
  } catch {
    return undefined
  }
}

/** An entry as the value that it had, a value of the type that it had, a list or an object in JSON, or a text. */
const valueOfEntry = (entry: string, before: unknown): unknown => {
  if (before !== undefined && entryOf(before) === entry) return before
  const value = parsed(entry)
  const isOfType = ['number', 'boolean'].includes(typeof before) && typeof value === typeof before
  return isOfType || (typeof value === 'object' && value !== null) ? value : entry
}

/** The object that rows write; undefined without a name. Values that were not touched keep their type. */
export const objectOfPairs = (pairs: readonly NamedEntry[], before: unknown): Record<string, unknown> | undefined => {
  const known = typeof before === 'object' && before !== null ? (before as Record<string, unknown>) : {}
  const named = pairs.filter(({ name }) => name !== '' && name !== '__proto__')
  if (named.length === 0) return undefined
  return Object.fromEntries(
    named.map(({ name, entry }) => [name, valueOfEntry(entry, Object.hasOwn(known, name) ? known[name] : undefined)]),
  )
}
