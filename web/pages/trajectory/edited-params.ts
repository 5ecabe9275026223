type Params = Record<string, unknown>

/** Reads edited parameters: an object, or what is wrong with the text. */
export const readParams = (text: string): { params?: Params; problem?: string } => {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { params: value as Params }
    return { problem: 'Expected an object in braces, such as {"text": "hello"}' }
  } catch (error) {
    return { problem: error instanceof Error ? error.message : String(error) }
  }
}

/**
 * The members that differ from the given parameters. A member that was taken out becomes null: the server merges what is
 * sent over what the run had.
 */
export const changedParams = (given: Params, edited: Params): Params => {
  const changed: Params = {}
  for (const [name, value] of Object.entries(edited)) {
    if (!Object.hasOwn(given, name) || JSON.stringify(given[name]) !== JSON.stringify(value)) changed[name] = value
  }
  for (const name of Object.keys(given)) if (!Object.hasOwn(edited, name)) changed[name] = null
  return changed
}
