import { expect, test } from 'vitest'
import { clockText, dayText, momentText, shortMomentText } from './moment.ts'

const at = new Date(2026, 10, 8, 9, 6, 4).getTime()

test('a moment is written in local time', () => {
  expect(dayText(at)).toBe('2026-11-08')
  expect(clockText(at)).toBe('09:06:04')
  expect(momentText(at)).toBe('2026-11-08 09:06:04')
  expect(momentText(new Date(at).toISOString())).toBe('2026-11-08 09:06:04')
  expect(momentText(null)).toBe('–')
})

test('the day is left out where it is today', () => {
  expect(shortMomentText(at, at + 3_600_000)).toBe('09:06:04')
  expect(shortMomentText(at, at + 24 * 3_600_000)).toBe('2026-11-08 09:06:04')
})
