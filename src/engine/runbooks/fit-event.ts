import type { Scrubber } from '../../lib/secrets/scrub.ts'
import type { NewAgentEvent } from '../../model/runbooks/runbook-run.ts'

const mostBytes = 64 * 1024
/** Maximum characters of each text in an event that is too large; tried in order. */
const textLengths = [16 * 1024, 4 * 1024, 512]

/**
 * Serializes an event without secrets, with shortened texts if it is too large. Scrubs before cutting: half a secret
 * would not be found.
 */
export const fitEvent = (event: NewAgentEvent, scrub: Scrubber): string => {
  const text = scrub.json(event)
  if (isSmall(text)) return text
  const whole = JSON.parse(text) as NewAgentEvent
  for (const length of textLengths) {
    const shorter = JSON.stringify(shorten(whole, length))
    if (isSmall(shorter)) return shorter
  }
  // For many small values, such as the edits of a large file.
  const flat = Object.entries(whole).map(([name, value]) => [
    name,
    typeof value === 'object' ? JSON.stringify(value) : value,
  ])
  return JSON.stringify(shorten(Object.fromEntries(flat), 4 * 1024))
}

const isSmall = (text: string): boolean => text.length <= mostBytes / 3 || Buffer.byteLength(text) <= mostBytes

const shorten = (value: unknown, length: number): unknown => {
  if (typeof value === 'string') return cut(value, length)
  if (Array.isArray(value)) return value.map((item) => shorten(item, length))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [cut(name, length), shorten(item, length)]))
}

const cut = (text: string, length: number): string => {
  if (text.length <= length) return text
  const kept = text.slice(0, length).replace(/[\uD800-\uDBFF]$/, '') // no lone surrogate
  return `${kept}… (${text.length - kept.length} more characters)`
}
