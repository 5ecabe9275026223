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
  /** Members to show of each place, where a search is on. */
  only: Found['within'] | undefined
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
  const isOpen = (id: string) => opened.has(id) || (found?.within.has(id) ?? false)
  const shown: Shown = { isOpen, only: found?.within, hits: new Set(found?.hits), large }
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
  const size = Array.isArray(value) ? value.length : isNode ? Object.keys(value as object).length : 0
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
  const push = (members: readonly (string | number)[], deep: number) => {
    for (const key of members)
      pushLine((value as Record<string | number, unknown>)[key], key, [...at, key], deep, shown, lines)
  }
  const keys = shown.only
    ? (shown.only.get(lineId(at)) ?? [])
    : Array.isArray(value)
      ? [...value.keys()]
      : Object.keys(value)
  if (keys.length <= rangeSize || shown.only) {
    push(keys, depth)
    return
  }
  for (let from = 0; from < keys.length; from += rangeSize) {
    const members = keys.slice(from, from + rangeSize)
    const id = `${lineId(at)}${from}`
    const isOpen = shown.isOpen(id)
    const preview = `${members[0]} … ${members.at(-1)}`
    const size = members.length
    lines.push({ at, id, key: undefined, kind: 'range', size, preview, depth, isOpen, value: undefined })
    if (isOpen) push(members, depth + 1)
  }
}

/** Places that a search found, and the members that lead to them. */
export interface Found {
  hits: readonly string[]
  /** For every place above a hit: its members that are hits or lead to one, from top to bottom. */
  within: ReadonlyMap<string, readonly (string | number)[]>
  /** Whether it has not reached the end: there are too many places, or it is still under way. */
  isPartial: boolean
}

/** A part of a value under search: its members, and which of them is next. */
interface Level {
  node: object
  /** Undefined for a list, whose keys are indexes. */
  keys: readonly string[] | undefined
  size: number
  next: number
}

const levelOf = (node: object): Level => {
  const keys = Array.isArray(node) ? undefined : Object.keys(node)
  return { node, keys, size: keys?.length ?? (node as unknown[]).length, next: 0 }
}

/**
 * Searches keys and values for a text, regardless of case, from top to bottom. Yields what it has found after every
 * `step` values, so that a page can draw in between, and returns all of it. It ends after `mostFound` places.
 */
export function* searchSteps(value: unknown, query: string, step: number): Generator<Found, Found> {
  const wanted = query.trim().toLowerCase()
  const hits: string[] = []
  const within = new Map<string, (string | number)[]>()
  const at: (string | number)[] = []
  const addHit = () => {
    hits.push(lineId(at))
    for (let end = at.length - 1; end >= 0; end--) {
      const parent = lineId(at.slice(0, end))
      const members = within.get(parent)
      if (!members) within.set(parent, [at[end]!])
      else if (members.at(-1) !== at[end]) members.push(at[end]!)
      if (members) break
    }
  }
  const has = (text: string) => text.toLowerCase().includes(wanted)
  const isNode = (one: unknown): one is object => typeof one === 'object' && one !== null
  const levels: Level[] = isNode(value) ? [levelOf(value)] : []
  if (!isNode(value) && has(String(value))) addHit()
  for (let seen = 1; levels.length > 0 && hits.length < mostFound; seen++) {
    const level = levels.at(-1)!
    if (level.next === level.size) {
      levels.pop()
      at.pop()
      continue
    }
    const key = level.keys ? level.keys[level.next]! : level.next
    const one: unknown = (level.node as Record<string | number, unknown>)[key]
    level.next++
    at.push(key)
    if ((level.keys && has(String(key))) || (!isNode(one) && has(String(one)))) addHit()
    if (isNode(one)) levels.push(levelOf(one))
    else at.pop()
    if (seen % step === 0) yield { hits: [...hits], within: new Map(within), isPartial: true }
  }
  return { hits, within, isPartial: levels.length > 0 }
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
