import { afterEach, expect, test, vi } from 'vitest'
import { clockText, dayText, momentText, shortMomentText, zoneText } from './moment.ts'

const at = new Date(2026, 10, 8, 9, 6, 4).getTime()

/** Lets the machine be somewhere else: what `getTimezoneOffset` says there. */
const inZone = (minutes: number) => vi.spyOn(Date.prototype, 'getTimezoneOffset').mockReturnValue(minutes)
afterEach(() => vi.restoreAllMocks())

test('a moment is written in local time, with its zone', () => {
  inZone(-60)
  expect(dayText(at)).toBe('2026-11-08')
  expect(clockText(at)).toBe('09:06:04')
  expect(momentText(at)).toBe('2026-11-08 09:06:04 UTC+1')
  expect(momentText(new Date(at).toISOString())).toBe('2026-11-08 09:06:04 UTC+1')
  expect(momentText(null)).toBe('–')
})

test('the day is left out where it is today', () => {
  inZone(0)
  expect(shortMomentText(at, at + 3_600_000)).toBe('09:06:04 UTC')
  expect(shortMomentText(at, at + 24 * 3_600_000)).toBe('2026-11-08 09:06:04 UTC')
})

test.each([
  [0, 'UTC'],
  [-60, 'UTC+1'],
  [300, 'UTC−5'],
  [-330, 'UTC+5:30'],
  [210, 'UTC−3:30'],
])('%s minutes behind UTC are %s', (minutes, text) => {
  inZone(minutes)
  expect(zoneText(at)).toBe(text)
})
