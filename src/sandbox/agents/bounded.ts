/**
 * Maximum characters of one event: enough to read a tool's output, and bounded for the 20,000 events of a run. The
 * agent's log has everything.
 */
export const eventTextLength = 64 * 1024
const deepest = 32

/** Characters that cannot be stored: NUL, and lone surrogates, which cutting a text may leave. */
const notStorable = /\0|\p{Surrogate}/gu

/** Cuts a text for an event, and removes what Postgres and JSON cannot store. */
export const boundedText = (text: string, length = eventTextLength, lost = 0): string => {
  const clean = text.slice(0, length).replace(notStorable, '�')
  const left = Math.max(0, text.length - length) + lost
  return left > 0 ? `${clean}… (${left} more characters)` : clean
}

/** Cuts a tool's input for an event: keeps its shape, shortens long texts and lists. */
export const boundedInput = (value: unknown, scrub: (text: string) => string): unknown => {
  let left = eventTextLength
  const bound = (part: unknown, depth: number): unknown => {
    left -= 8
    if (typeof part === 'string') {
      const kept = boundedText(scrub(part), Math.max(0, left))
      left -= kept.length
      return kept
    }
    if (typeof part !== 'object' || part === null) return part
    if (depth > deepest || left <= 0) return '…'
    if (Array.isArray(part)) return boundedList(part).map((entry) => bound(entry, depth + 1))
    return Object.fromEntries(
      boundedList(Object.entries(part)).map(([name, member]) => [bound(name, depth), bound(member, depth + 1)]),
    )
  }
  const boundedList = <Entry>(entries: Entry[]): Entry[] => entries.slice(0, Math.max(0, Math.floor(left / 8)))
  return bound(value, 0)
}
