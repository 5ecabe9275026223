import { expect, it } from 'vitest'
import { step } from '../../parts/test-steps.ts'
import { timelineRows } from '../../parts/timeline/rows.ts'
import { nextFailure } from './selection.ts'

const failed = { status: 'failed' as const }
const rows = timelineRows(
  [step('a'), step('b', 0, 1, failed), step('c'), step('d', 0, 1, failed)],
  ['a', 'b', 'c', 'd', 'e'],
  new Set(),
)

it.each([
  [-1, 1],
  [1, 3],
  [3, 1],
  [4, 1],
])('the next failure after row %i is row %i', (at, next) => {
  expect(nextFailure(rows, at)).toBe(next)
})

it('is none where nothing failed', () => {
  expect(nextFailure(rows.slice(0, 1), 0)).toBeUndefined()
  expect(nextFailure([], -1)).toBeUndefined()
})
