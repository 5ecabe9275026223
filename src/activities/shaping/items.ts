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

/** A value by the names of members, as in `customer.name`; undefined if there is none. */
export const itemField = (item: unknown, field: string | undefined): unknown =>
  field === undefined || field === ''
    ? item
    : field
        .split('.')
        .reduce<unknown>(
          (from, name) =>
            (isObject(from) || Array.isArray(from)) && Object.hasOwn(from, name)
              ? (from as Record<string, unknown>)[name]
              : undefined,
          item,
        )

const rank = (value: unknown): number =>
  value === undefined || value === null ? 3 : typeof value === 'number' ? 0 : typeof value === 'string' ? 1 : 2

/** Orders numbers before texts before the rest; nothing comes last. */
const compare = (a: unknown, b: unknown): number => {
  if (typeof a === 'number' && typeof b === 'number') return a - b
  if (typeof a === 'string' && typeof b === 'string') return a < b ? -1 : a > b ? 1 : 0
  if (typeof a === 'boolean' && typeof b === 'boolean') return Number(a) - Number(b)
  return rank(a) - rank(b)
}

const contains = (found: unknown, value: unknown): boolean =>
  typeof found === 'string'
    ? found.includes(String(value))
    : Array.isArray(found) && found.some((one) => isDeepStrictEqual(one, value))

const isOrdered = (a: unknown, b: unknown): boolean => rank(a) === rank(b) && rank(a) < 2

const tests: Record<ItemOperator, (found: unknown, value: unknown) => boolean> = {
  '=': (found, value) => isDeepStrictEqual(found ?? null, value ?? null),
  '!=': (found, value) => !isDeepStrictEqual(found ?? null, value ?? null),
  '>': (found, value) => isOrdered(found, value) && compare(found, value) > 0,
  '>=': (found, value) => isOrdered(found, value) && compare(found, value) >= 0,
  '<': (found, value) => isOrdered(found, value) && compare(found, value) < 0,
  '<=': (found, value) => isOrdered(found, value) && compare(found, value) <= 0,
  contains,
  starts_with: (found, value) => typeof found === 'string' && found.startsWith(String(value)),
  ends_with: (found, value) => typeof found === 'string' && found.endsWith(String(value)),
  in: (found, value) => contains(value, found),
  exists: (found, value) => (found !== undefined && found !== null) === (value ?? true),
}

const sorted = ({ items, by, descending }: Extract<ItemsWork, { do: 'sort' }>): unknown[] =>
  [...items].sort((a, b) => {
    for (const field of by) {
      const [left, right] = [itemField(a, field), itemField(b, field)]
      const order = compare(left, right)
      const isNothing = rank(left) === 3 || rank(right) === 3
      if (order !== 0) return descending && !isNothing ? -order : order
    }
    return 0
  })

const grouped = (items: unknown[], by: string): { key: unknown; items: unknown[]; count: number }[] => {
  const groups = new Map<string, { key: unknown; items: unknown[]; count: number }>()
  for (const item of items) {
    const key = itemField(item, by) ?? null
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
  return items.filter((item) => {
    const name = canonicalJson(by.length === 0 ? (item ?? null) : by.map((field) => itemField(item, field) ?? null))
    return !seen.has(name) && seen.add(name)
  })
}

const joined = ({ left, right, on: [leftOn, rightOn], keep }: Extract<ItemsWork, { do: 'join' }>): unknown[] => {
  const index = new Map<string, unknown[]>()
  for (const item of right) {
    const key = itemField(item, rightOn) ?? null
    if (key === null) continue
    const name = canonicalJson(key)
    const same = index.get(name)
    if (same) same.push(item)
    else index.set(name, [item])
  }
  const items: unknown[] = []
  for (const item of left) {
    const key = itemField(item, leftOn) ?? null
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
      return work.items.filter((item) => tests[work.operator](itemField(item, work.field), work.value))
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
