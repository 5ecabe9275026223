import { json, jsonParseLinter } from '@codemirror/lang-json'
import type { Diagnostic } from '@codemirror/lint'
import type { EditorView } from '@codemirror/view'
import { type RefObject, useEffect, useImperativeHandle } from 'react'
import { EditorBox } from './editor-box.tsx'
import type { TextSpan } from './text-span.ts'
import { type EditorProps, selectSpan, showSpan, useTextEditor } from './use-text-editor.ts'

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
const skipValue = (text: string, at: number): number => {
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
function* membersAt(text: string, start: number): Generator<Member> {
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
const trimmedEnd = (text: string, from: number, to: number): number => {
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

/** A finding about the member that a JSON Pointer names. */
interface EditorProblem {
  pointer: string
  severity: 'error' | 'warning'
  message: string
  hint?: string | null
}

/** What a page can ask of an editor. */
export interface EditorHandle {
  /** Selects the member that a JSON Pointer names, and scrolls to it. */
  show: (pointer: string) => void
  /** Sets a member to a value, a JSON text, or removes it. The change can be undone like one that was typed. */
  edit: (path: readonly string[], value: string | undefined) => void
}

interface JsonEditorProps extends EditorProps {
  problems: readonly EditorProblem[]
  handle?: RefObject<EditorHandle | null>
  /** JSON Pointer of the member that is in view when the editor opens. */
  first?: string | undefined
}

const language = json()
const syntaxFaults = jsonParseLinter()

const diagnosticsOf = (view: EditorView, problems: readonly EditorProblem[]): Diagnostic[] => {
  const faults = syntaxFaults(view)
  if (faults.length > 0) return faults // places in a broken text mislead
  const text = view.state.doc.toString()
  return problems.map(({ pointer, severity, message, hint }) => ({
    ...spanOfPointer(text, pointer),
    severity,
    message: hint ? `${message}\n${hint}` : message,
  }))
}

/** An editor of a JSON document, with problems underlined where they are. */
const JsonEditor = ({ problems, handle, first, ...props }: JsonEditorProps) => {
  const { box, view } = useTextEditor(props, language, (opened) => diagnosticsOf(opened, problems), problems)
  useImperativeHandle(handle, () => ({
    show: (pointer) => selectSpan(view.current, spanOfPointer(view.current?.state.doc.toString() ?? '', pointer)),
    edit: (path, value) => {
      const changes = editOfMember(view.current?.state.doc.toString() ?? '', path, value)
      if (changes) view.current?.dispatch({ changes, userEvent: 'input.form' })
    },
  }))
  // biome-ignore lint/correctness/useExhaustiveDependencies: only when it opens
  useEffect(() => {
    if (first !== undefined && view.current) showSpan(view.current, spanOfPointer(props.text, first))
  }, [])
  return <EditorBox box={box} />
}

export default JsonEditor
