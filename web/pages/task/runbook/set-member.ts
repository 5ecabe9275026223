import { memberSpans } from '../../../../src/lib/json/json-text.ts'

const member = (name: string, value: string): string => `${JSON.stringify(name)}:${value}`

/**
 * Puts a value into a JSON document at a path of member names, and makes the objects on the way that are missing. Every
 * other byte stays: keys keep their order, and long numbers their digits. `text` and `value` must be valid JSON.
 */
export const setMember = (text: string, path: readonly string[], value: string): string => {
  const [name, ...rest] = path
  if (name === undefined) return value
  if (!text.trimStart().startsWith('{')) return `{${member(name, setMember('{}', rest, value))}}`
  let found: { start: number; end: number } | undefined
  let isEmpty = true
  for (const one of memberSpans(text)) {
    isEmpty = false
    if (one.name === name) found = one
  }
  if (found) {
    const inner = setMember(text.slice(found.start, found.end), rest, value)
    return text.slice(0, found.start) + inner + text.slice(found.end)
  }
  const end = text.lastIndexOf('}')
  return `${text.slice(0, end)}${isEmpty ? '' : ','}${member(name, setMember('{}', rest, value))}${text.slice(end)}`
}
