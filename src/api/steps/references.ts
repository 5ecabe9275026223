import { memberSpans } from '../../lib/json/json-text.ts'
import { rowLimit } from '../../store/runs/payloads.ts'
import { previewCharacters, referenceText } from './large-value.ts'

/** An object whose large values are references. */
interface Referenced {
  /** JSON text. */
  text: string
  /** JSON pointers to the references, from the object; empty for the object itself. */
  pointers: string[]
}

/** An object with more members is shown as one reference. */
const mostMembers = 1_000

/**
 * Replaces the members of a JSON object that are over 64 KiB with references; the object itself if the rest is over
 * 64 KiB as well. Nothing is parsed, so that the time and memory follow from the length of the text.
 */
export const withReferences = (text: string, hrefOf: (member?: string) => string): Referenced => {
  if (text.length <= rowLimit) return { text, pointers: [] }
  const kept = new Map<string, string>()
  const pointers: string[] = []
  let length = 0
  for (const { name, start, end } of memberSpans(text)) {
    length += name.length
    if (end - start > rowLimit) {
      kept.set(name, reference(text, start, end, hrefOf(name)))
      pointers.push(pointerTo(name))
    } else {
      kept.set(name, text.slice(start, end))
      length += end - start
    }
    if (length > rowLimit || kept.size > mostMembers) {
      return { text: reference(text, 0, text.length, hrefOf()), pointers: [''] }
    }
  }
  const members = [...kept].map(([name, value]) => `${JSON.stringify(name)}:${value}`)
  return { text: `{${members.join(',')}}`, pointers: [...new Set(pointers)] }
}

const reference = (text: string, start: number, end: number, href: string): string =>
  referenceText({
    beginning: text.slice(start, Math.min(end, start + 2 * previewCharacters)),
    bytes: Buffer.byteLength(text.slice(start, end)),
    href,
  })

const pointerTo = (name: string): string => `/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`
