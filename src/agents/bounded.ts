/**
 * Characters of one event: what a person reads of a tool's output, and what 20,000 events of a run may come to. The log
 * of the agent has all of it.
 */
export const eventTextLength = 64 * 1024
const deepest = 32

/** NUL, and halves of a character, which is what a cut may leave. */
const notStorable = /\0|\p{Surrogate}/gu

/** A text as an event keeps it: what Postgres and JSON can hold, and not more of it than is read. */
export const boundedText = (text: string, length = eventTextLength, lost = 0): string => {
  const clean = text.slice(0, length).replace(notStorable, '�')
  const left = Math.max(0, text.length - length) + lost
  return left > 0 ? `${clean}… (${left} more characters)` : clean
}

/** A tool's input as an event keeps it: its shape, with long texts and lists cut. */
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
