import { describe, expect, it } from 'vitest'
import { type ItemOperator, shapeItems } from './items.ts'

const orders = [
  { id: 1, status: 'open', amount: 5, tags: ['a'], customer: { id: 'x' } },
  { id: 2, status: 'closed', amount: 7, tags: ['b'], customer: { id: 'y' } },
  { id: 3, status: 'open', amount: '7', customer: null },
]
const ids = (items: unknown[]) => items.map((item) => (item as { id: number }).id)

it.each<[string | undefined, ItemOperator, unknown, number[]]>([
  ['status', '=', 'open', [1, 3]],
  ['status', '!=', 'open', [2]],
  ['amount', '>', 5, [2]],
  ['amount', '>=', 5, [1, 2]],
  ['amount', '<', 7, [1]],
  ['amount', '=', 7, [2]],
  ['status', 'contains', 'pe', [1, 3]],
  ['tags', 'contains', 'b', [2]],
  ['status', 'starts_with', 'cl', [2]],
  ['status', 'ends_with', 'n', [1, 3]],
  ['id', 'in', [1, 3], [1, 3]],
  ['customer', 'in', [{ id: 'y' }, null], [2, 3]],
  ['missing', 'in', [null], []],
  ['status', 'in', 'open or new', [1, 3]],
  ['missing', 'in', 'undefined', []],
  ['customer.id', 'exists', undefined, [1, 2]],
  ['customer.id', 'exists', false, [3]],
  ['customer', '=', { id: 'x' }, [1]],
  ['__proto__', 'exists', true, []],
  ['constructor', 'exists', true, []],
])('filters by %s %s %j', (field, operator, value, expected) => {
  expect(ids(shapeItems({ do: 'filter', items: orders, field, operator, value }))).toEqual(expected)
})

it('takes time in proportion to the lists, not to their product', () => {
  const many = Array.from({ length: 40_000 }, () => ({}))
  const others = Array.from({ length: 40_000 }, () => [])
  expect(shapeItems({ do: 'filter', items: many, operator: 'in', value: others })).toEqual([])
  const texts = Array(20_000).fill('x')
  expect(shapeItems({ do: 'filter', items: texts, operator: 'starts_with', value: others })).toEqual([])
  const names = Array.from({ length: 20 }, (_, at) => `${'a.'.repeat(240)}${at}`)
  expect(shapeItems({ do: 'sort', items: many, by: names, descending: true })).toHaveLength(40_000)
})

it('filters items that are no objects', () => {
  expect(shapeItems({ do: 'filter', items: [1, 2, '2'], operator: '=', value: 2 })).toEqual([2])
})

it.each([
  [[''], false, [3, 1, 'b', 'a', null], [1, 3, 'a', 'b', null]],
  [[''], true, [3, 1, 'b', 'a', null], ['b', 'a', 3, 1, null]],
])('sorts %j, descending %j', (by, descending, items, expected) => {
  expect(shapeItems({ do: 'sort', items, by, descending })).toEqual(expected)
})

it('sorts by several fields, and keeps the order of equal items', () => {
  expect(ids(shapeItems({ do: 'sort', items: orders, by: ['status', 'amount'], descending: false }))).toEqual([2, 1, 3])
  expect(ids(shapeItems({ do: 'sort', items: orders, by: ['missing'], descending: true }))).toEqual([1, 2, 3])
})

it('groups in the order of the keys, with null for what has none', () => {
  expect(shapeItems({ do: 'group', items: orders, by: 'customer.id' })).toMatchObject([
    { key: 'x', count: 1 },
    { key: 'y', count: 1 },
    { key: null, count: 1 },
  ])
})

it('keeps the first of equal items, whatever the order of their members', () => {
  const items = [{ a: 1, b: 2 }, { b: 2, a: 1 }, { a: 1 }, 1, '1', 1]
  expect(shapeItems({ do: 'unique', items, by: [] })).toEqual([{ a: 1, b: 2 }, { a: 1 }, 1, '1'])
  expect(ids(shapeItems({ do: 'unique', items: orders, by: ['status'] }))).toEqual([1, 2])
})

describe('a join', () => {
  const left = [
    { c: 1, name: 'l' },
    { c: 2, name: 'm' },
    { c: null, name: 'n' },
  ]
  const right = [
    { id: 1, city: 'A', name: 'r' },
    { id: 1, city: 'B' },
    { id: null, city: 'C' },
  ]

  it('repeats items with several matches, and matches no null', () => {
    const matching = shapeItems({ do: 'join', left, right, on: ['c', 'id'], keep: 'matching' })
    expect(matching).toEqual([
      { c: 1, id: 1, city: 'A', name: 'l' },
      { c: 1, id: 1, city: 'B', name: 'l' },
    ])
    const all = shapeItems({ do: 'join', left, right, on: ['c', 'id'], keep: 'left' })
    expect(all).toEqual([...matching, left[1], left[2]])
  })

  it('ends before equal keys on both sides multiply without bound', () => {
    const many = Array.from({ length: 400 }, () => ({ k: 1 }))
    const join = () => shapeItems({ do: 'join', left: many, right: many, on: ['k', 'k'], keep: 'left' })
    expect(join).toThrow(/more than 100000 pairs/)
  })
})
