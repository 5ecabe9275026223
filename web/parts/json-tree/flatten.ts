import type { LargeValue } from '../../../src/model/runs/step.ts'

/** A line of a JSON tree. */
export interface JsonLine {
  /** Place in the value: keys and indexes from the root. */
  at: readonly (string | number)[]
  /** `at` as one text; the name under which a line is opened. */
  id: string
  key: string | number | undefined
  kind: 'object' | 'array' | 'range' | 'text' | 'number' | 'truth' | 'nothing' | 'large'
  /** Members of an object or array. */
  size: number
  /** A leaf on one line, or the beginning of a long text. */
  preview: string
  depth: number
  /** Undefined for a leaf. */
  isOpen: boolean | undefined
  value: unknown
}

/** Lists with more elements are shown in parts of this size. */
const rangeSize = 100
/** Characters of a text on one line. */
const previewLength = 200
/** Values that a search looks at. */
const mostSearched = 200_000
/** Places that a search finds. */
export const mostFound = 1_000

export const lineId = (at: readonly (string | number)[]): string => JSON.stringify(at)

const kindOf = (value: unknown): JsonLine['kind'] => {
  if (Array.isArray(value)) return 'array'
  if (value === null || value === undefined) return 'nothing'
  if (typeof value === 'object') return 'object'
  return typeof value === 'string' ? 'text' : typeof value === 'number' ? 'number' : 'truth'
}

const previewOf = (value: unknown, kind: JsonLine['kind']): string => {
  if (kind === 'text') return clipText(JSON.stringify(value), previewLength)
  if (kind === 'large') return clipText((value as LargeValue).$large.preview, previewLength)
  return kind === 'object' || kind === 'array' ? '' : String(value)
}

/** Cuts a text without splitting a character. */
const clipText = (text: string, most: number): string => {
  if (text.length <= most) return text
  const end = /[\uD800-\uDBFF]/.test(text[most - 1]!) ? most - 1 : most
  return `${text.slice(0, end)}…`
}

interface Shown {
  isOpen(id: string): boolean
  /** Only these places, where a search is on. */
  only: ReadonlySet<string> | undefined
  /** Places that a search found: everything below them is shown. */
  hits: ReadonlySet<string>
  large: ReadonlySet<string>
}

const none: ReadonlySet<string> = new Set()

/**
 * Lines of a value from top to bottom. Only what is open is looked at. `large` has the ids of the places where the server
 * left a value out: a value that only looks like such a reference is data like any other.
 */
export const jsonLines = (
  value: unknown,
  opened: ReadonlySet<string>,
  { found, large = none }: { found?: Found | undefined; large?: ReadonlySet<string> } = {},
): JsonLine[] => {
  const isOpen = (id: string) => opened.has(id) || (found?.above.has(id) ?? false)
  const shown: Shown = { isOpen, only: found?.shown, hits: new Set(found?.hits), large }
  const lines: JsonLine[] = []
  if (typeof value === 'object' && value !== null && !large.has(lineId([]))) membersOf(value, [], 0, shown, lines)
  else pushLine(value, undefined, [], 0, shown, lines)
  return lines
}

const pushLine = (
  value: unknown,
  key: string | number | undefined,
  at: readonly (string | number)[],
  depth: number,
  shown: Shown,
  lines: JsonLine[],
): void => {
  const id = lineId(at)
  const kind = shown.large.has(id) ? 'large' : kindOf(value)
  const isNode = kind === 'object' || kind === 'array'
  const size = isNode ? Object.keys(value as object).length : 0
  const isOpen = isNode && size > 0 ? shown.isOpen(id) : undefined
  lines.push({ at, id, key, kind, size, preview: previewOf(value, kind), depth, isOpen, value })
  if (!isOpen) return
  membersOf(value as object, at, depth + 1, shown.hits.has(id) ? { ...shown, only: undefined } : shown, lines)
}

const membersOf = (
  value: object,
  at: readonly (string | number)[],
  depth: number,
  shown: Shown,
  lines: JsonLine[],
): void => {
  const isList = Array.isArray(value)
  const entries = isList ? value.map((item, index) => [index, item] as const) : Object.entries(value)
  const push = (from: number, to: number, deep: number) => {
    for (const [key, item] of entries.slice(from, to)) {
      const place = [...at, key]
      if (!shown.only || shown.only.has(lineId(place))) pushLine(item, key, place, deep, shown, lines)
    }
  }
  if (entries.length <= rangeSize || shown.only) {
    push(0, entries.length, depth)
    return
  }
  for (let from = 0; from < entries.length; from += rangeSize) {
    const to = Math.min(entries.length, from + rangeSize)
    const id = `${lineId(at)}${from}`
    const isOpen = shown.isOpen(id)
    const preview = isList ? `${from} … ${to - 1}` : `${entries[from]![0]} … ${entries[to - 1]![0]}`
    lines.push({ at, id, key: undefined, kind: 'range', size: to - from, preview, depth, isOpen, value: undefined })
    if (isOpen) push(from, to, depth + 1)
  }
}

/** What a search found: the places, and everything above and below them that is shown. */
export interface Found {
  hits: readonly string[]
  shown: ReadonlySet<string>
  above: ReadonlySet<string>
  /** Whether it stopped before the end. */
  isPartial: boolean
}

/** Searches keys and values for a text, without regard to upper and lower case. Bounded in what it reads and finds. */
export const searchJson = (value: unknown, query: string): Found | undefined => {
  const wanted = query.trim().toLowerCase()
  if (wanted === '') return undefined
  const hits: string[] = []
  const shown = new Set<string>()
  const above = new Set<string>()
  const waiting: { value: unknown; at: (string | number)[] }[] = [{ value, at: [] }]
  let seen = 0
  while (waiting.length > 0 && seen < mostSearched && hits.length < mostFound) {
    const { value: one, at } = waiting.pop()!
    seen++
    const key = at.at(-1)
    const isNode = typeof one === 'object' && one !== null
    const isHit =
      (typeof key === 'string' && key.toLowerCase().includes(wanted)) ||
      (!isNode && String(one).toLowerCase().includes(wanted))
    if (isHit) {
      hits.push(lineId(at))
      shown.add(lineId(at))
      for (let end = at.length - 1; end >= 0; end--) {
        const parent = lineId(at.slice(0, end))
        if (above.has(parent)) break
        above.add(parent)
        shown.add(parent)
      }
    }
    if (!isNode) continue
    const entries = Array.isArray(one) ? one.map((item, index) => [index, item] as const) : Object.entries(one)
    for (let index = entries.length - 1; index >= 0; index--) {
      const [name, item] = entries[index]!
      waiting.push({ value: item, at: [...at, name] })
    }
  }
  return { hits, shown, above, isPartial: waiting.length > 0 }
}

const plainName = /^[A-Za-z0-9_-]+$/

/** A place as a path expression that a config can use, such as `ask.outputs.items[0]['odd key']`. */
export const pathExpressionOf = (base: string, at: readonly (string | number)[]): string =>
  at.reduce<string>((path, key) => {
    if (typeof key === 'number') return `${path}[${key}]`
    if (plainName.test(key)) return path === '' ? key : `${path}.${key}`
    return `${path}[${key.includes("'") ? `"${key}"` : `'${key}'`}]`
  }, base)

/** Ids that are open at first: everything small, down to three levels. */
export const firstOpened = (value: unknown, most = 60): Set<string> => {
  const opened = new Set<string>()
  let lines = 0
  const visit = (one: unknown, at: (string | number)[]) => {
    if (typeof one !== 'object' || one === null || at.length > 3) return
    const keys = Object.keys(one)
    if (keys.length > rangeSize || lines + keys.length > most) return
    lines += keys.length
    opened.add(lineId(at))
    for (const [key, item] of Object.entries(one)) visit(item, [...at, Array.isArray(one) ? Number(key) : key])
  }
  visit(value, [])
  return opened
}
