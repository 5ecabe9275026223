import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { future, past } from './moments.ts'

const now = Date.UTC(2026, 10, 28, 12)
beforeEach(() => {
  vi.useFakeTimers({ now, toFake: ['Date'] })
})
afterEach(() => {
  vi.useRealTimers()
})

test.each([
  ['90s', '2026-11-28T11:58:30.000Z', '2026-11-28T12:01:30.000Z'],
  ['15m', '2026-11-28T11:45:00.000Z', '2026-11-28T12:15:00.000Z'],
  ['1h', '2026-11-28T11:00:00.000Z', '2026-11-28T13:00:00.000Z'],
  ['30d', '2026-10-29T12:00:00.000Z', '2026-12-28T12:00:00.000Z'],
  ['2w', '2026-11-14T12:00:00.000Z', '2026-12-12T12:00:00.000Z'],
  ['1y', '2025-11-28T12:00:00.000Z', '2027-11-28T12:00:00.000Z'],
])('%s is a span of time, ago or from now', (text, ago, hence) => {
  expect([past(text), future(text)]).toEqual([ago, hence])
})

test('a moment stays the moment it is', () => {
  expect(past('2026-11-25')).toBe('2026-11-25T00:00:00.000Z')
  expect(past('2026-11-25T08:00:00+02:00')).toBe('2026-11-25T06:00:00.000Z')
  expect(future('2027-01-31')).toBe('2027-01-31T00:00:00.000Z')
})

test.each(['soon', '1', '1x', '-1h', '2999-02-30', '99999999999999y', ''])('%j is neither', (text) => {
  expect(() => past(text)).toThrow('Expected a time span')
  expect(() => future(text)).toThrow('Expected a time span')
})

test('what ends has to end later than now', () => {
  expect(() => future('2020-01-01')).toThrow('already passed')
})
