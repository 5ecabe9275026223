import { membersAt, skipValue, spanOfPointer, trimmedEnd } from './json-span.ts'
import type { TextSpan } from './text-span.ts'

/** A replacement of a part of a text. */
interface TextEdit extends TextSpan {
  insert: string
}

const pointerTo = (path: readonly string[]): string =>
  path.map((name) => `/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')

/** Where the object stands that a path of names leads to; undefined for anything else. */
const objectAt = (text: string, path: readonly string[]): number | undefined => {
  let at = text.search(/\S/)
  for (const name of path) {
    const member = [...membersAt(text, at)].findLast((one) => one.name === name)
    if (!member || text[at] !== '{') return undefined
    at = member.value
  }
  return text[at] === '{' ? at : undefined
}

/** The white space before a place, if nothing else stands before it in its line. */
const indentBefore = (text: string, at: number): string | undefined => {
  const line = text.slice(text.lastIndexOf('\n', at - 1) + 1, at)
  return at > 0 && line.trim() === '' && text.lastIndexOf('\n', at - 1) >= 0 ? line : undefined
}

const indented = (value: string, indent: string): string => value.replaceAll('\n', `\n${indent}`)

const valueEnd = (text: string, value: number): number => trimmedEnd(text, value, skipValue(text, value))

/** Adds a member as the last of an object, written like those before it. */
const added = (text: string, at: number, name: string, value: string): TextEdit => {
  const last = [...membersAt(text, at)].at(-1)
  if (last) {
    const end = valueEnd(text, last.value)
    const indent = indentBefore(text, last.key.from)
    const member = `${JSON.stringify(name)}: ${indented(value, indent ?? '')}`
    return { from: end, to: end, insert: indent === undefined ? `, ${member}` : `,\n${indent}${member}` }
  }
  const line = /^[ \t]*/.exec(text.slice(text.lastIndexOf('\n', at) + 1))?.[0] ?? ''
  const indent = `${line}  `
  const insert = `{\n${indent}${JSON.stringify(name)}: ${indented(value, indent)}\n${line}}`
  return { from: at, to: skipValue(text, at), insert }
}

const removed = (text: string, at: number, name: string): TextEdit | undefined => {
  const members = [...membersAt(text, at)]
  const index = members.findLastIndex((one) => one.name === name)
  const member = members[index]
  if (!member) return undefined
  const next = members[index + 1]
  if (next) return { from: member.key.from, to: next.key.from, insert: '' }
  const before = members[index - 1]
  const end = valueEnd(text, member.value)
  return before
    ? { from: valueEnd(text, before.value), to: end, insert: '' }
    : { from: at, to: skipValue(text, at), insert: '{}' }
}

/**
 * The edit that sets a member of a JSON document to a value, a JSON text, or removes it. All other text stays as it is.
 * Undefined if nothing changes, or no object is there. `text` must be valid JSON.
 */
export const editOfMember = (
  text: string,
  path: readonly string[],
  value: string | undefined,
): TextEdit | undefined => {
  const name = path.at(-1)
  const at = objectAt(text, path.slice(0, -1))
  if (name === undefined || at === undefined) return undefined
  if (value === undefined) return removed(text, at, name)
  const member = [...membersAt(text, at)].findLast((one) => one.name === name)
  if (!member) return added(text, at, name, value)
  const key = spanOfPointer(text, pointerTo(path.slice(0, -1))).from
  const indent = indentBefore(text, member.key.from) ?? indentBefore(text, key) ?? ''
  const [from, to] = [member.value, valueEnd(text, member.value)]
  const insert = indented(value, indent)
  return text.slice(from, to) === insert ? undefined : { from, to, insert }
}
