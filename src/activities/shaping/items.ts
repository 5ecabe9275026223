import { isDeepStrictEqual } from 'node:util'
import { isObject } from '../../lib/json/json-object.ts'
import { canonicalJson } from '../../lib/json/json-text.ts'

export const itemOperators = [
  '=',
  '!=',
  '>',
  '>=',
  '<',
  '<=',
  'contains',
  'starts_with',
  'ends_with',
  'in',
  'exists',
] as const
export type ItemOperator = (typeof itemOperators)[number]

/** What is done with a list. */
export type ItemsWork =
  | { do: 'filter'; items: unknown[]; field?: string | undefined; operator: ItemOperator; value?: unknown }
  | { do: 'sort'; items: unknown[]; by: string[]; descending: boolean }
  | { do: 'group'; items: unknown[]; by: string }
  | { do: 'unique'; items: unknown[]; by: string[] }
  | { do: 'join'; left: unknown[]; right: unknown[]; on: [string, string]; keep: 'matching' | 'left' }

/** Maximum items of a join: equal keys on both sides multiply. */
const mostPairs = 100_000

/** Reads a value by the names of members, as in `customer.name`; undefined if there is none. */
const fieldReader = (field: string | undefined): ((item: unknown) => unknown) => {
  const names = field === undefined || field === '' ? [] : field.split('.')
  return (item) => {
    let value = item
    for (const name of names) {
      if (!(isObject(value) || Array.isArray(value)) || !Object.hasOwn(value, name)) return undefined
      value = (value as Record<string, unknown>)[name]
    }
    return value
  }
}

const rank = (value: unknown): number =>
  value === undefined || value === null ? 3 : typeof value === 'number' ? 0 : typeof value === 'string' ? 1 : 2

/** Orders numbers before texts before the rest; nothing comes last. */
const compare = (a: unknown, b: unknown): number => {
  if (typeof a === 'number' && typeof b === 'number') return a - b
  if (typeof a === 'string' && typeof b === 'string') return a < b ? -1 : a > b ? 1 : 0
  if (typeof a === 'boolean' && typeof b === 'boolean') return Number(a) - Number(b)
  return rank(a) - rank(b)
}

type Test = (found: unknown) => boolean

const isOrdered = (a: unknown, b: unknown): boolean => rank(a) === rank(b) && rank(a) < 2

const ordered =
  (fits: (order: number) => boolean) =>
  (value: unknown): Test =>
  (found) =>
    isOrdered(found, value) && fits(compare(found, value))

/** Tests a text with a text; the value is made one only once, as it may be long. */
const textual =
  (fits: (found: string, text: string) => boolean) =>
  (value: unknown): Test => {
    const text = typeof value === 'object' && value !== null ? undefined : String(value)
    return (found) => typeof found === 'string' && text !== undefined && fits(found, text)
  }

const equals =
  (value: unknown): Test =>
  (found) =>
    isDeepStrictEqual(found ?? null, value ?? null)

const contains = (value: unknown): Test => {
  const inText = textual((found, text) => found.includes(text))(value)
  return (found) => (Array.isArray(found) ? found.some((one) => isDeepStrictEqual(one, value)) : inText(found))
}

/** A list is searched by name: comparing every item with every element would take the product of both lengths. */
const isIn = (value: unknown): Test => {
  if (typeof value === 'string')
    return (found) => typeof found !== 'object' && found !== undefined && value.includes(String(found))
  const names = new Set(Array.isArray(value) ? value.map((one) => canonicalJson(one)) : [])
  return (found) => found !== undefined && names.has(canonicalJson(found))
}

/** Makes the test of an operator with a value. */
const tests: Record<ItemOperator, (value: unknown) => Test> = {
  '=': equals,
  '!=': (value) => {
    const isEqual = equals(value)
    return (found) => !isEqual(found)
  },
  '>': ordered((order) => order > 0),
  '>=': ordered((order) => order >= 0),
  '<': ordered((order) => order < 0),
  '<=': ordered((order) => order <= 0),
  contains,
  starts_with: textual((found, text) => found.startsWith(text)),
  ends_with: textual((found, text) => found.endsWith(text)),
  in: isIn,
  exists: (value) => (found) => (found !== undefined && found !== null) === (value ?? true),
}

const filtered = ({ items, field, operator, value }: Extract<ItemsWork, { do: 'filter' }>): unknown[] => {
  const read = fieldReader(field)
  const test = tests[operator](value)
  return items.filter((item) => test(read(item)))
}

const sorted = ({ items, by, descending }: Extract<ItemsWork, { do: 'sort' }>): unknown[] => {
  const readers = by.map(fieldReader)
  const keyed = items.map((item) => ({ item, keys: readers.map((read) => read(item)) }))
  keyed.sort((a, b) => {
    for (const [at, left] of a.keys.entries()) {
      const right = b.keys[at]
      const order = compare(left, right)
      const isNothing = rank(left) === 3 || rank(right) === 3
      if (order !== 0) return descending && !isNothing ? -order : order
    }
    return 0
  })
  return keyed.map(({ item }) => item)
}

const grouped = (items: unknown[], by: string): { key: unknown; items: unknown[]; count: number }[] => {
  const groups = new Map<string, { key: unknown; items: unknown[]; count: number }>()
  const read = fieldReader(by)
  for (const item of items) {
    const key = read(item) ?? null
    const name = canonicalJson(key)
    const group = groups.get(name) ?? { key, items: [], count: 0 }
    group.items.push(item)
    group.count++
    groups.set(name, group)
  }
  return [...groups.values()]
}

const unique = (items: unknown[], by: string[]): unknown[] => {
  const seen = new Set<string>()
  const readers = by.map(fieldReader)
  return items.filter((item) => {
    const name = canonicalJson(by.length === 0 ? (item ?? null) : readers.map((read) => read(item) ?? null))
    return !seen.has(name) && seen.add(name)
  })
}

const joined = ({ left, right, on: [leftOn, rightOn], keep }: Extract<ItemsWork, { do: 'join' }>): unknown[] => {
  const index = new Map<string, unknown[]>()
  const [leftKey, rightKey] = [fieldReader(leftOn), fieldReader(rightOn)]
  for (const item of right) {
    const key = rightKey(item) ?? null
    if (key === null) continue
    const name = canonicalJson(key)
    const same = index.get(name)
    if (same) same.push(item)
    else index.set(name, [item])
  }
  const items: unknown[] = []
  for (const item of left) {
    const key = leftKey(item) ?? null
    const found = key === null ? [] : (index.get(canonicalJson(key)) ?? [])
    if (items.length + found.length > mostPairs) throw new Error(`the join has more than ${mostPairs} pairs`)
    for (const other of found) items.push({ ...(other as object), ...(item as object) })
    if (found.length === 0 && keep === 'left') items.push(item)
  }
  return items
}

/** The list, or the groups, that the work makes. */
export const shapeItems = (work: ItemsWork): unknown[] => {
  switch (work.do) {
    case 'filter':
      return filtered(work)
    case 'sort':
      return sorted(work)
    case 'group':
      return grouped(work.items, work.by)
    case 'unique':
      return unique(work.items, work.by)
    case 'join':
      return joined(work)
  }
}
