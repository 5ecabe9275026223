import type { QueryKey } from '@tanstack/react-query'

/** Events that came during reads that are under way: one list for each read, by the text of its query key. */
const reads = new Map<string, Set<unknown[]>>()

/** Reads something that a stream follows, and applies the events that came meanwhile: the answer may be older. */
export const readAndCatchUp = async <Value, Event>(
  queryKey: QueryKey,
  read: () => Promise<Value>,
  apply: (value: Value, events: readonly Event[]) => Value,
): Promise<Value> => {
  const name = JSON.stringify(queryKey)
  const missed: Event[] = []
  const ofName = reads.get(name) ?? new Set()
  reads.set(name, ofName.add(missed))
  try {
    const value = await read()
    return missed.length === 0 ? value : apply(value, missed)
  } finally {
    ofName.delete(missed)
    if (ofName.size === 0) reads.delete(name)
  }
}

/** Hands events to the reads of a query that are under way. */
export const noteEvents = (queryKey: QueryKey, events: readonly unknown[]): void => {
  for (const missed of reads.get(JSON.stringify(queryKey)) ?? []) missed.push(...events)
}
