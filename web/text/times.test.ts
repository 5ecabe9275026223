import { afterEach, expect, test, vi } from 'vitest'
import {
  agoText,
  clockText,
  dayText,
  durationText,
  everyDay,
  firstDay,
  momentText,
  secondsIn,
  shortMomentText,
  zoneText,
} from './times.ts'

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

test.each([
  [null, '–'],
  [undefined, '–'],
  [Number.NaN, '–'],
  [0, '0 ms'],
  [-0.2, '0 ms'],
  [0.0312, '31 ms'],
  [0.9994, '999 ms'],
  [0.9996, '1.00 s'],
  [2.1, '2.10 s'],
  [9.994, '9.99 s'],
  [9.996, '10.0 s'],
  [12.14, '12.1 s'],
  [59.94, '59.9 s'],
  [59.96, '1 min'],
  [60, '1 min'],
  [200, '3 min 20 s'],
  [3599.6, '1 h'],
  [3600, '1 h'],
  [7500, '2 h 5 min'],
  [86_400, '1 d'],
  [356_400, '4 d 3 h'],
])('%s seconds are %s', (seconds, text) => {
  expect(durationText(seconds)).toBe(text)
})

test.each([
  ['90', 90],
  ['1.5 s', 1.5],
  ['250ms', 0.25],
  ['5m', 300],
  ['20 min', 1200],
  ['2h', 7200],
  ['', undefined],
  ['-1', undefined],
  ['soon', undefined],
])('%s are %s seconds', (text, seconds) => {
  expect(secondsIn(text)).toBe(seconds)
})

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
