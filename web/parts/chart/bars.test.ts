import { expect, test } from 'vitest'
import { labelledBars, roundAbove } from './bars.tsx'

test.each([
  [0, 1],
  [Number.NaN, 1],
  [0.0003, 0.0005],
  [1, 1],
  [3, 5],
  [7, 10],
  [41, 50],
  [1001, 2000],
])('an axis for %s ends at %s', (value, end) => {
  expect(roundAbove(value)).toBeCloseTo(end, 12)
})

test.each([
  [0, 5, []],
  [3, 5, [0, 1, 2]],
  [30, 5, [5, 11, 17, 23, 29]],
  [7, 3, [0, 3, 6]],
] as const)('of %s bars with at most %s labels, these have one', (count, most, labelled) => {
  expect(labelledBars(count, most)).toEqual(labelled)
})
