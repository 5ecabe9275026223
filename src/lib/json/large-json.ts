import { jsonSize } from '../memory/json-memory.ts'
import { doInSlices, type Pieces } from '../slices.ts'
import { skipString } from './json-text.ts'

/** Texts up to this size are parsed at once, which takes at most 10 ms. */
export const smallJson = 256 * 1024
/** Characters that are parsed or written at once: 1 ms. */
const pieceCharacters = 32 * 1024

const comma = 44
const colon = 58
const quote = 34
const openList = 91
const closeList = 93
const openObject = 123
const closeObject = 125

const isSpace = (code: number): boolean => code === 32 || code === 10 || code === 13 || code === 9

const afterSpace = (text: string, from: number): number => {
  let at = from
  while (isSpace(text.charCodeAt(at))) at++
  return at
}

/** Index after the value at `start`, unless it has more than `pieceCharacters` outside of strings. */
const endOfSmall = (text: string, start: number): number | undefined => {
  let depth = 0
  let at = start
  for (let looked = 0; at < text.length; looked++) {
    if (looked > pieceCharacters) return undefined
    const code = text.charCodeAt(at)
    if (code === quote) {
      at = skipString(text, at)
      continue
    }
    if (code === openObject || code === openList) depth++
    else if (code === closeObject || code === closeList) {
      if (depth === 0) return at
      depth--
    } else if (code === comma && depth === 0) return at
    at++
  }
  return at
}

const unexpected = (text: string, at: number): SyntaxError =>
  new SyntaxError(
    at < text.length ? `Unexpected token '${text[at]}' in JSON at position ${at}` : 'Unexpected end of JSON input',
  )

/** Parses a part of a text between brackets. Errors have the position in the whole. */
const parsePart = (text: string, from: number, to: number, brackets = ''): unknown => {
  const [open = '', close = ''] = brackets
  try {
    return JSON.parse(open + text.slice(from, to) + close)
  } catch (error) {
    const { message } = error as SyntaxError
    throw new SyntaxError(
      message.replace(/position (\d+).*$/s, (_, at) => `position ${Number(at) + from - open.length}`),
    )
  }
}

/** A parsed value, and the index after it. */
interface Parsed {
  value: unknown
  end: number
}

const put = (object: Record<string, unknown>, name: string, value: unknown): void => {
  if (name !== '__proto__') object[name] = value
  else Object.defineProperty(object, name, { value, configurable: true, enumerable: true, writable: true })
}

/** The name of the member at `at`, and where its value begins. */
const memberAt = (text: string, at: number): { name: string; start: number } => {
  const nameEnd = text.charCodeAt(at) === quote ? skipString(text, at) : at
  const between = afterSpace(text, nameEnd)
  if (nameEnd === at || text.charCodeAt(between) !== colon) throw unexpected(text, between)
  return { name: parsePart(text, at, nameEnd) as string, start: afterSpace(text, between + 1) }
}

/** Parses the list or object at `start`: small elements together, large ones piece by piece. */
function* parseContainer(text: string, start: number): Pieces<Parsed> {
  const isList = text.charCodeAt(start) === openList
  const closing = isList ? closeList : closeObject
  const list: unknown[] = []
  const object: Record<string, unknown> = {}
  const value = isList ? list : object
  const takeSmall = (from: number, to: number) => {
    const part = parsePart(text, from, to, isList ? '[]' : '{}')
    if (isList) for (const item of part as unknown[]) list.push(item)
    else for (const name of Object.keys(part as object)) put(object, name, (part as typeof object)[name])
  }
  let at = afterSpace(text, start + 1)
  if (text.charCodeAt(at) === closing) return { value, end: at + 1 }
  /** Where small elements begin that were not taken yet, and the comma after the last one. */
  let from: number | undefined = at
  let lastComma = at
  for (;;) {
    let end = endOfSmall(text, at)
    if (end !== undefined && end - at > pieceCharacters) yield // a long string was searched, and is parsed next
    if (end === undefined) {
      if (from !== undefined && from < at) takeSmall(from, lastComma)
      from = undefined
      const member = isList ? undefined : memberAt(text, at)
      const large: Parsed = yield* parseAt(text, member?.start ?? at)
      if (member) put(object, member.name, large.value)
      else list.push(large.value)
      end = afterSpace(text, large.end)
    }
    const code = text.charCodeAt(end)
    if (code !== comma) {
      if (from !== undefined) takeSmall(from, end)
      if (code !== closing) throw unexpected(text, end)
      return { value, end: end + 1 }
    }
    if (from !== undefined && end - from > pieceCharacters) {
      takeSmall(from, end)
      from = undefined
      yield
    }
    lastComma = end
    at = afterSpace(text, end + 1)
    const next = text.charCodeAt(at)
    if (at >= text.length || next === comma || next === closing) throw unexpected(text, at)
    from ??= at
  }
}

function* parseAt(text: string, start: number): Pieces<Parsed> {
  const code = text.charCodeAt(start)
  if (code === openList || code === openObject) return yield* parseContainer(text, start)
  const end = endOfSmall(text, start) ?? text.length
  return { value: parsePart(text, start, end), end }
}

/** Parses JSON piece by piece, with the result of `JSON.parse`. */
export function* parsePieces(text: string): Pieces<unknown> {
  const { value, end } = yield* parseAt(text, afterSpace(text, 0))
  const rest = afterSpace(text, end)
  if (rest < text.length) throw unexpected(text, rest)
  return value
}

/** Parses JSON that may be large: others go on meanwhile. `owner` is whose turn it takes. */
export const parseLarge = async (text: string, owner?: string): Promise<unknown> =>
  text.length <= smallJson ? JSON.parse(text) : doInSlices(parsePieces(text), owner)

const isContainer = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && typeof (value as { toJSON?: unknown }).toJSON !== 'function'

/** Adds the text of a value that is neither left out nor small: its elements in groups. */
function* writeInto(parts: string[], value: object): Pieces<void> {
  const isList = Array.isArray(value)
  let group: [string, unknown][] = []
  let size = 0
  let isFirst = true
  const begin = () => {
    if (!isFirst) parts.push(',')
    isFirst = false
  }
  const flush = () => {
    const small = isList ? group.map(([, item]) => item) : Object.fromEntries(group)
    const text = JSON.stringify(small).slice(1, -1)
    if (text !== '') {
      begin()
      parts.push(text)
    }
    group = []
    size = 0
  }
  parts.push(isList ? '[' : '{')
  const names = isList ? value.keys() : Object.keys(value)
  for (const key of names) {
    const item = (value as Record<string | number, unknown>)[key]
    const itemSize = jsonSize(item, pieceCharacters) + String(key).length
    if (isContainer(item) && itemSize > pieceCharacters) {
      flush()
      begin()
      if (!isList) parts.push(`${JSON.stringify(key)}:`)
      yield* writeInto(parts, item)
      continue
    }
    group.push([String(key), item])
    size += itemSize
    if (size > pieceCharacters) {
      flush()
      yield
    }
  }
  flush()
  parts.push(isList ? ']' : '}')
}

/** Writes JSON piece by piece, with the result of `JSON.stringify`. */
export function* writePieces(value: unknown): Pieces<string> {
  if (!isContainer(value)) return JSON.stringify(value) ?? 'null'
  const parts: string[] = []
  yield* writeInto(parts, value)
  return parts.join('')
}
