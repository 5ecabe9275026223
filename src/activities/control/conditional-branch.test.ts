import { expect, it } from 'vitest'
import { holds, type Operator } from './conditional-branch.ts'

const cases: [unknown, Operator | undefined, unknown, boolean][] = [
  [true, undefined, undefined, true],
  [-1, undefined, undefined, true],
  ['words', undefined, undefined, true],
  [[0], undefined, undefined, true],
  [{ a: null }, undefined, undefined, true],
  [false, undefined, undefined, false],
  [0, undefined, undefined, false],
  [null, undefined, undefined, false],
  ['', undefined, undefined, false],
  [' No ', undefined, undefined, false],
  ['0', undefined, undefined, false],
  ['FALSE', undefined, undefined, false],
  [[], undefined, undefined, false],
  [{}, undefined, undefined, false],
  [4, '==', '4', true],
  ['4.0', '==', 4, true],
  ['4.0', '==', '4', false],
  ['', '==', 0, false],
  [{ a: [1] }, '==', { a: [1] }, true],
  [null, '==', 0, false],
  [true, '!=', 'true', true],
  ['10', '>', 9, true],
  ['b', '>', 'a', true],
  [3, '<=', 3, true],
  ['a rope', 'contains', 'rope', true],
  [['a', 4], 'contains', '4', true],
  [{ key: 1 }, 'contains', 'key', true],
  [7, 'contains', 7, false],
  ['x', 'in', ['x'], true],
  ['x', 'not_in', ['x'], false],
  [['a'], 'not_contains', 'b', true],
]

it.each(cases)('%j %s %j: %j', (condition, operator, value, expected) => {
  expect(holds(condition, operator, value)).toBe(expected)
})

it.each([
  [null, 3],
  ['three', 3],
  [[1], [2]],
])('%j and %j have no order', (condition, value) => {
  expect(() => holds(condition, '>', value)).toThrow(/cannot be compared by order; expected two numbers or two texts/)
})
