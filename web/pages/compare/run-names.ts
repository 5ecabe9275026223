import type { RunAddress } from '../../data/run.ts'

export const mostCompared = 8

const name = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/

/**
 * Reads the name of a run: `collection/task/id`, the address of its page, or near another run its id alone or `task/id`.
 * Undefined for anything else.
 */
export const readRunName = (text: string, near?: RunAddress): RunAddress | undefined => {
  const path = text
    .trim()
    .replace(/^https?:\/\/[^/]+\//, '')
    .replace(/[?#].*$/, '')
  const parts = path.split('/').filter((part) => part !== '')
  if (parts.length === 0 || parts.length > 3 || !parts.every((part) => name.test(part))) return undefined
  const [id = '', task = near?.task, collection = near?.collection] = parts.reverse()
  return task === undefined || collection === undefined ? undefined : { collection, task, id }
}

export const writeRunName = ({ collection, task, id }: RunAddress): string => `${collection}/${task}/${id}`

/** The runs that an address names, each once, at most eight. */
export const runsOfAddress = (names: readonly string[]): RunAddress[] => {
  const found = new Map<string, RunAddress>()
  for (const text of names) {
    const place = readRunName(text)
    if (place && found.size < mostCompared) found.set(writeRunName(place), place)
  }
  return [...found.values()]
}
