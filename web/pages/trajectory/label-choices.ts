/** A label that other runs of the task have. */
interface LabelChoice {
  key: string
  value: string
  /** Runs that have it. */
  runs: number
}

/** The nine labels that are used most, for the keys 1 to 9. */
export const labelChoices = (inUse: Record<string, Record<string, number>>, most = 9): LabelChoice[] =>
  Object.entries(inUse)
    .flatMap(([key, values]) => Object.entries(values).map(([value, runs]) => ({ key, value, runs })))
    .sort((one, other) => other.runs - one.runs || one.key.localeCompare(other.key))
    .slice(0, most)

/** Reads `key`, `key: value` or `key=value`; a key alone has the value `true`. Undefined for an empty text. */
export const readLabel = (text: string): { key: string; value: string } | undefined => {
  const [, key = '', value] = /^([^:=]*)(?:[:=](.*))?$/s.exec(text.trim()) ?? []
  if (key.trim() === '') return undefined
  return { key: key.trim(), value: value === undefined ? 'true' : value.trim() }
}
