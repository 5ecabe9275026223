import type { TextSpan } from './text-span.ts'

const isSpace = (code: number): boolean => code === 32 || code === 10 || code === 13 || code === 9

const skipSpace = (text: string, at: number): number => {
  let end = at
  while (isSpace(text.charCodeAt(end))) end++
  return end
}

/** The place after a string that begins at `at`. */
const skipString = (text: string, at: number): number => {
  for (let end = at + 1; end < text.length; end++) {
    if (text[end] === '\\') end++
    else if (text[end] === '"') return end + 1
  }
  return text.length
}

/** The place after a value that begins at `at`. What is cut off ends with the text. */
export const skipValue = (text: string, at: number): number => {
  let depth = 0
  for (let end = at; end < text.length; ) {
    const sign = text[end]!
    if (sign === '"') end = skipString(text, end)
    else {
      if (sign === '{' || sign === '[') depth++
      if (sign === '}' || sign === ']') depth--
      if (depth < 0 || (depth === 0 && sign === ',')) return end
      end++
    }
    if (depth === 0 && (sign === '"' || sign === '}' || sign === ']')) return end
  }
  return text.length
}

/** A member of an object or an item of a list. */
interface Member {
  name: string
  /** Where its name stands; for an item, where its value begins. */
  key: TextSpan
  value: number
}

const readName = (text: string, { from, to }: TextSpan): string => {
  try {
    return String(JSON.parse(text.slice(from, to)))
  } catch {
    return text.slice(from + 1, to - 1)
  }
}

/** The members of an object, or the items of a list, that begins at `start`. */
export function* membersAt(text: string, start: number): Generator<Member> {
  const isObject = text[start] === '{'
  if (!isObject && text[start] !== '[') return
  let at = start + 1
  for (let index = 0; at < text.length; index++) {
    at = skipSpace(text, at)
    if (text[at] === '}' || text[at] === ']') return
    const key = { from: at, to: isObject ? skipString(text, at) : at + 1 }
    const value = isObject ? skipSpace(text, text.indexOf(':', key.to) + 1 || text.length) : at
    yield { name: isObject ? readName(text, key) : String(index), key, value }
    at = skipSpace(text, Math.max(skipValue(text, value), at + 1))
    if (text[at] === ',') at++
  }
}

const lastNamed = (text: string, start: number, name: string): Member | undefined => {
  let found: Member | undefined
  for (const member of membersAt(text, start)) if (member.name === name) found = member
  return found
}

/** Trims what stands after a number or a word: `12 ` ends after the 2. */
export const trimmedEnd = (text: string, from: number, to: number): number => {
  let end = to
  while (end > from && isSpace(text.charCodeAt(end - 1))) end--
  return end
}

/**
 * Where in a JSON text the value stands that a JSON Pointer names: a short value itself, of an object or a list its name.
 * A pointer that leads beyond the text gives the deepest member that is there. The text may be cut off or broken.
 */
export const spanOfPointer = (text: string, pointer: string): TextSpan => {
  let at = skipSpace(text, 0)
  let found: Member | undefined
  for (const part of pointer.split('/').slice(1)) {
    const next = lastNamed(text, at, part.replaceAll('~1', '/').replaceAll('~0', '~'))
    if (!next) break
    found = next
    at = next.value
  }
  if (!found) return { from: Math.min(at, text.length), to: Math.min(at + 1, text.length) }
  const isNested = text[at] === '{' || text[at] === '['
  return isNested ? found.key : { from: at, to: Math.max(at, trimmedEnd(text, at, skipValue(text, at))) }
}
