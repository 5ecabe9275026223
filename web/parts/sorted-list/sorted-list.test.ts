import { expect, test } from 'vitest'
import { nextOrder, readOrder, rowsWith, sortedRows } from './sorted-list.tsx'

const rows = [
  { name: 'b10', runs: 3 },
  { name: 'B9', runs: null },
  { name: 'a', runs: 10 },
]
const names = (sorted: readonly { name: string }[]) => sorted.map(({ name }) => name).join(' ')

test.each([
  ['asc', 'a B9 b10'],
  ['desc', 'b10 B9 a'],
] as const)('texts, %s', (direction, expected) => {
  expect(names(sortedRows(rows, ({ name }) => name, direction))).toBe(expected)
})

test.each([
  ['asc', 'b10 a B9'],
  ['desc', 'a b10 B9'],
] as const)('numbers, %s, what is not known last', (direction, expected) => {
  expect(names(sortedRows(rows, ({ runs }) => runs, direction))).toBe(expected)
})

test.each([
  ['', 'b10 B9 a'],
  ['B', 'b10 B9'],
  ['b 1', 'b10'],
  ['x', ''],
])('rows with "%s"', (typed, expected) => {
  expect(names(rowsWith(rows, ({ name }) => name, typed))).toBe(expected)
})

test('an order is read, and turned round when its head is pressed again', () => {
  const otherwise = { by: 'name', direction: 'asc' } as const
  expect(readOrder('runs desc', ['name', 'runs'], otherwise)).toEqual({ by: 'runs', direction: 'desc' })
  expect(readOrder('size desc', ['name', 'runs'], otherwise)).toBe(otherwise)
  expect(readOrder(undefined, ['name'], otherwise)).toBe(otherwise)
  expect(nextOrder(otherwise, 'runs', true)).toEqual({ by: 'runs', direction: 'desc' })
  expect(nextOrder(otherwise, 'name', false)).toEqual({ by: 'name', direction: 'desc' })
})
