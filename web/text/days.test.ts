import { expect, test } from 'vitest'
import { everyDay, firstDay } from './days.ts'

test.each([
  ['2026-02-27', '2026-03-01', ['2026-02-27', '2026-02-28', '2026-03-01']],
  ['2026-02-27', '2026-02-27', ['2026-02-27']],
  ['2026-02-28', '2026-02-27', []],
])('from %s to %s', (from, to, days) => {
  expect(everyDay(from, to)).toEqual(days)
})

test.each([
  [1, '2026-11-28'],
  [7, '2026-11-22'],
  [30, '2026-10-30'],
])('%s days begin on %s', (days, first) => {
  expect(firstDay(days, Date.parse('2026-11-28T23:59:00Z'))).toBe(first)
})
