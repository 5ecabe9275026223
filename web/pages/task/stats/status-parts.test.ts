import { expect, test } from 'vitest'
import { rateText, statusesInWords, statusParts } from './status-parts.ts'

test.each([
  [{}, '–'],
  [{ cancelled: 3 }, '–'],
  [{ completed: 3 }, '100 %'],
  [{ completed: 2, failed: 1 }, '66.7 %'],
  [{ completed: 99_999, failed: 1 }, '> 99.9 %'],
])('of %j, %s completed', (counts, text) => {
  expect(rateText(counts)).toBe(text)
})

test('statuses without runs have no part', () => {
  expect(statusParts({ completed: 2, failed: 0 })).toEqual([{ name: 'completed', count: 2, fill: 'fill-ok' }])
  expect(statusesInWords({ completed: 2, failed: 1, running: 0 })).toBe('2 completed, 1 failed')
})
