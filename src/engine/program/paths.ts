import { nearest } from '../../lib/text/nearest.ts'
import { question } from './finding.ts'

/**
 * Path expressions: `root(.name | [int] | [*] | ['any'])*`. Parsing and reading are pure and linear;
 * a path is a data look-up and never runs anything.
 */
export type Segment = { kind: 'name'; name: string } | { kind: 'index'; index: number } | { kind: 'each' }

export interface Path {
  root: string
  segments: Segment[]
  /** As written, without surrounding whitespace. */
  text: string
  /** Whether it was written with a question mark: it may lead to nothing. */
  isOptional?: true
}

const isNameChar = (code: number): boolean =>
  (code >= 48 && code <= 57) || (code >= 65 && code <= 90) || (code >= 97 && code <= 122) || code === 95 || code === 45

const nameAt = (text: string, start: number): string => {
  let end = start
  while (end < text.length && isNameChar(text.charCodeAt(end))) end++
  return text.slice(start, end)
}

/** Longer texts are not paths; this bounds the recursion of nested wildcards. */
const longestPath = 4096

/** Parses a path; undefined when the text is none. Surrounding whitespace is ignored. */
export const parsePath = (text: string): Path | undefined => {
  if (text.length > longestPath) return undefined
  const source = text.trim()
  const root = nameAt(source, 0)
  if (root === '') return undefined
  const segments: Segment[] = []
  let at = root.length
  while (at < source.length) {
    const next = source[at] === '.' ? dotted(source, at) : source[at] === '[' ? bracketed(source, at) : undefined
    if (!next) return undefined
    segments.push(next.segment)
    at = next.end
  }
  return { root, segments, text: source }
}

/** Parses a path as a step config writes it: with `?` at its end it may lead to nothing. */
export const parseReference = (text: string): Path | undefined => {
  const source = text.trim()
  if (!source.endsWith('?')) return parsePath(source)
  const path = parsePath(source.slice(0, -1))
  return path && { ...path, text: source, isOptional: true }
}

const dotted = (source: string, at: number): { segment: Segment; end: number } | undefined => {
  const name = nameAt(source, at + 1)
  return name === '' ? undefined : { segment: { kind: 'name', name }, end: at + 1 + name.length }
}

const bracketed = (source: string, at: number): { segment: Segment; end: number } | undefined => {
  const quote = source[at + 1]
  if (quote === "'" || quote === '"') {
    const close = source.indexOf(`${quote}]`, at + 2)
    return close < 0 ? undefined : { segment: { kind: 'name', name: source.slice(at + 2, close) }, end: close + 2 }
  }
  const close = source.indexOf(']', at)
  if (close < 0) return undefined
  const inside = source.slice(at + 1, close)
  if (inside === '*') return { segment: { kind: 'each' }, end: close + 1 }
  if (!/^-?\d{1,15}$/.test(inside)) return undefined
  return { segment: { kind: 'index', index: Number(inside) }, end: close + 1 }
}

/** Result of reading a path; on failure, the index of the segment that failed, and the value that it was looked up in. */
type PathResult = { found: true; value: unknown } | { found: false; at: number; within: unknown }

const mostShownKeys = 12
/** Maximum keys that are compared with a name; longer keys are not. */
const mostComparedKeys = 200
const longestComparedKey = 100

const spell = (segment: Segment): string =>
  segment.kind === 'each' ? '[*]' : segment.kind === 'index' ? `[${segment.index}]` : segment.name

/** The beginning of a path, before the segment at an index. */
export const pathBefore = ({ root, segments }: Path, at: number): string => {
  const rest = segments.slice(0, at).map((segment) => (segment.kind === 'name' ? `.${segment.name}` : spell(segment)))
  return root + rest.join('')
}

const kindOf = (value: unknown): string => {
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : `a list of ${value.length}`
  if (typeof value === 'string') return 'a text'
  return typeof value === 'object' ? 'an empty object' : `a ${typeof value}`
}

/** Says where a path breaks off, what is there instead, and which name was probably meant. */
export const whyNotFound = (path: Path, { at, within }: Extract<PathResult, { found: false }>): string => {
  const before = `'${pathBefore(path, at)}'`
  const segment = path.segments[at]
  const missing = segment === undefined ? '' : spell(segment)
  if (within === null) return `${before} is null`
  if (within === undefined) return `${before} has no value`
  const keys = typeof within === 'object' && !Array.isArray(within) ? Object.keys(within) : []
  if (keys.length === 0) {
    const isName = Array.isArray(within) && segment?.kind === 'name'
    return `${before} is ${kindOf(within)} and has no '${missing}'${isName ? '; [*] reads each of its elements' : ''}`
  }
  const compared = keys.slice(0, mostComparedKeys).filter((key) => key.length <= longestComparedKey)
  const shown = keys.slice(0, mostShownKeys).map((key) => key.slice(0, longestComparedKey))
  if (keys.length > mostShownKeys) shown.push('…')
  return `${before} has no '${missing}', only ${shown.join(', ')}${question(nearest(missing, compared))}`
}

/** Follows `segments` from `value`. Several `[*]` give one flat array; elements without the rest are left out. */
export const readPath = (value: unknown, segments: Segment[], from = 0): PathResult => {
  let current = value
  for (let at = from; at < segments.length; at++) {
    const segment = segments[at] as Segment
    if (segment.kind === 'each') return readEach(current, segments, at)
    const next = step(current, segment)
    if (!next) return { found: false, at, within: current }
    current = next.value
  }
  return { found: true, value: current }
}

const step = (current: unknown, segment: Exclude<Segment, { kind: 'each' }>): { value: unknown } | undefined => {
  if (Array.isArray(current)) {
    const index =
      segment.kind === 'index' ? segment.index : /^\d{1,15}$/.test(segment.name) ? Number(segment.name) : NaN
    const at = index < 0 ? current.length + index : index
    return at >= 0 && at < current.length ? { value: current[at] } : undefined
  }
  if (segment.kind === 'index' || typeof current !== 'object' || current === null) return undefined
  return Object.hasOwn(current, segment.name)
    ? { value: (current as Record<string, unknown>)[segment.name] }
    : undefined
}

const readEach = (current: unknown, segments: Segment[], at: number): PathResult => {
  if (typeof current !== 'object' || current === null) {
    return { found: false, at, within: current }
  }
  const more = segments.slice(at + 1).some((segment) => segment.kind === 'each')
  const found: unknown[] = []
  for (const element of Array.isArray(current) ? current : Object.values(current)) {
    const reading = readPath(element, segments, at + 1)
    if (!reading.found) continue
    if (more && Array.isArray(reading.value)) for (const inner of reading.value) found.push(inner)
    else found.push(reading.value)
  }
  return { found: true, value: found }
}
