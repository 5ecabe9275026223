/** Which rows of a list are selected, and from which one a range begins. */
export interface Selection {
  keys: ReadonlySet<string>
  from: string | undefined
}

export const noSelection: Selection = { keys: new Set(), from: undefined }

/** Selects a row, or takes it out of the selection. */
export const toggled = ({ keys }: Selection, key: string): Selection => {
  const next = new Set(keys)
  if (!next.delete(key)) next.add(key)
  return { keys: next, from: key }
}

/** Selects all rows between the last one that was toggled and this one. */
export const withRange = (selection: Selection, order: readonly string[], key: string): Selection => {
  const start = selection.from === undefined ? -1 : order.indexOf(selection.from)
  const end = order.indexOf(key)
  if (start < 0 || end < 0) return toggled(selection, key)
  const range = order.slice(Math.min(start, end), Math.max(start, end) + 1)
  return { keys: new Set([...selection.keys, ...range]), from: key }
}

/** Takes rows out of the selection. */
export const without = ({ keys, from }: Selection, gone: readonly string[]): Selection => ({
  keys: new Set([...keys].filter((key) => !gone.includes(key))),
  from,
})

/** Selects all rows, or none where all are selected. */
export const allOrNone = ({ keys }: Selection, order: readonly string[]): Selection =>
  order.every((key) => keys.has(key)) ? noSelection : { keys: new Set(order), from: undefined }
