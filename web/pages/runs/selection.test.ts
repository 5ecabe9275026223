import { expect, test } from 'vitest'
import { allOrNone, noSelection, toggled, without, withRange } from './selection.ts'

const order = ['a', 'b', 'c', 'd', 'e']
const of = (...keys: string[]) => keys.reduce(toggled, noSelection)

test('a row is selected, and not any more', () => {
  expect([...of('b', 'd').keys]).toEqual(['b', 'd'])
  expect([...toggled(of('b', 'd'), 'b').keys]).toEqual(['d'])
})

test.each([
  ['b', 'd', ['b', 'c', 'd']],
  ['d', 'b', ['d', 'b', 'c']],
  ['c', 'c', ['c']],
])('a range goes from %s to %s', (from, to, keys) => {
  expect([...withRange(of(from), order, to).keys]).toEqual(keys)
})

test('a range without a beginning, or with one that has left the list, is its end', () => {
  expect([...withRange(noSelection, order, 'c').keys]).toEqual(['c'])
  expect([...withRange(of('x'), order, 'c').keys]).toEqual(['x', 'c'])
})

test('all rows are selected, and none when all were', () => {
  expect([...allOrNone(of('a'), order).keys]).toEqual(order)
  expect(allOrNone(of(...order), order)).toBe(noSelection)
})

test('rows are taken out, the others stay', () => {
  expect([...without(of('a', 'b', 'c'), ['b', 'x']).keys]).toEqual(['a', 'c'])
})
