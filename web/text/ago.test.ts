import { expect, test } from 'vitest'
import { agoText } from './ago.ts'

const now = Date.parse('2026-11-28T12:00:00Z')

test.each([
  [null, '–'],
  ['no time', '–'],
  ['2026-11-28T12:00:00.000000Z', 'now'],
  ['2026-11-28T12:00:30Z', 'now'],
  ['2026-11-28T11:59:48Z', '12 s ago'],
  ['2026-11-28T11:58:00Z', '2 min ago'],
  ['2026-11-28T11:00:01Z', '59 min ago'],
  ['2026-11-28T09:00:00Z', '3 h ago'],
  ['2026-11-23T11:00:00Z', '5 d ago'],
  ['2026-08-01T12:00:00Z', '2026-08-01'],
  ['2026-11-28T12:20:00Z', 'in 20 min'],
  ['2026-11-30T12:20:00Z', 'in 2 d'],
])('%s is %s', (moment, text) => {
  expect(agoText(moment, now)).toBe(text)
})
