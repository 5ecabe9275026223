import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Cadence } from '../../model/cadence.ts'
import { cronFault, fireAfter, firesBackFrom } from './cadence.ts'

const at = (text: string) => Date.parse(text)
const firesOf = (cadence: Cadence, from: string, count: number): string[] => {
  const fires: string[] = []
  for (let ms = at(from); fires.length < count; ) {
    const next = fireAfter(cadence, ms)
    if (next === null) break
    fires.push(new Date(next).toISOString().slice(0, 16))
    ms = next
  }
  return fires
}
const cron = (expression: string, zone?: string): Cadence => ({
  type: 'cron',
  expression,
  ...(zone === undefined ? {} : { time_zone: zone }),
})

test('the cadences in UTC', () => {
  const friday = '2026-11-27T09:30:00Z'
  expect(firesOf({ type: 'manual' }, friday, 1)).toEqual([])
  expect(firesOf({ type: 'hourly' }, friday, 2)).toEqual(['2026-11-27T10:00', '2026-11-27T11:00'])
  expect(firesOf({ type: 'hourly', minute_utc: 45 }, friday, 1)).toEqual(['2026-11-27T09:45'])
  expect(firesOf({ type: 'daily', hour_utc: 9 }, friday, 2)).toEqual(['2026-11-28T09:00', '2026-11-29T09:00'])
  expect(firesOf({ type: 'daily', hour_utc: 0, minute_utc: 5 }, friday, 1)).toEqual(['2026-11-28T00:05'])
  expect(firesOf({ type: 'weekdays', hour_utc: 9 }, friday, 2)).toEqual(['2026-11-30T09:00', '2026-12-01T09:00'])
  const sundays: Cadence = { type: 'weekly', day_of_week: 'sun', hour_utc: 23, minute_utc: 59 }
  expect(firesOf(sundays, friday, 2)).toEqual(['2026-11-29T23:59', '2026-12-06T23:59'])
})

test('a fire comes strictly after the moment, and is found again from it backwards', () => {
  expect(firesOf({ type: 'hourly' }, '2026-11-27T09:59:59.999Z', 1)).toEqual(['2026-11-27T10:00'])
  expect(firesOf({ type: 'hourly' }, '2026-11-27T10:00:00Z', 1)).toEqual(['2026-11-27T11:00'])
  const [first, second] = firesBackFrom({ type: 'hourly' }, at('2026-11-27T10:00:00Z'))
  expect([first, second]).toEqual([at('2026-11-27T10:00:00Z'), at('2026-11-27T09:00:00Z')])
})

test.each([
  // [zone, expression, from, fires in UTC]
  // Europe/Berlin: 2027-03-28 goes from 02:00 to 03:00 (01:00 UTC), 2026-10-25 shows 02:00 to 03:00 twice (from 01:00 UTC).
  ['Europe/Berlin', '0 9 * * mon-fri', '2026-10-23T00:00Z', ['10-23T07:00', '10-26T08:00']],
  ['Europe/Berlin', '0 9 * * mon-fri', '2027-03-26T00:00Z', ['03-26T08:00', '03-29T07:00']],
  ['Europe/Berlin', '30 2 * * *', '2027-03-27T00:00Z', ['03-27T01:30', '03-28T01:00', '03-29T00:30']],
  ['Europe/Berlin', '15,45 2 * * *', '2027-03-27T02:00Z', ['03-28T01:00', '03-29T00:15', '03-29T00:45']],
  ['Europe/Berlin', '30 2 * * *', '2026-10-24T00:00Z', ['10-24T00:30', '10-25T00:30', '10-26T01:30']],
  ['Europe/Berlin', '30 * * * *', '2026-10-25T00:00Z', ['10-25T00:30', '10-25T01:30', '10-25T02:30']],
  ['Europe/Berlin', '30 * * * *', '2027-03-28T00:00Z', ['03-28T00:30', '03-28T01:30', '03-28T02:30']],
  ['Europe/Berlin', '*/20 2 * * *', '2026-10-25T00:00Z', ['10-25T00:20', '10-25T00:40', '10-25T01:00', '10-25T01:20']],
  // America/New_York: 2027-03-14 goes from 02:00 to 03:00 (07:00 UTC), 2026-11-01 shows 01:00 to 02:00 twice (from 06:00 UTC).
  ['America/New_York', '0 9 * * *', '2026-10-31T00:00Z', ['10-31T13:00', '11-01T14:00', '11-02T14:00']],
  ['America/New_York', '30 2 * * *', '2027-03-13T00:00Z', ['03-13T07:30', '03-14T07:00', '03-15T06:30']],
  ['America/New_York', '30 1 * * *', '2026-10-31T00:00Z', ['10-31T05:30', '11-01T05:30', '11-02T06:30']],
  [
    'America/New_York',
    '*/30 * * * *',
    '2026-11-01T05:10Z',
    ['11-01T05:30', '11-01T06:00', '11-01T06:30', '11-01T07:00'],
  ],
])('summer time in %s: %s from %s', (zone, expression, from, fires) => {
  const found = firesOf(cron(expression, zone), from, fires.length)
  expect(found.map((fire) => fire.slice(5))).toEqual(fires)
})

test('a year of summer time: every minute is there once, forwards and backwards', () => {
  fc.assert(
    fc.property(
      fc.constantFrom('Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'UTC'),
      fc.integer({ min: 0, max: 366 * 24 * 60 }),
      (zone, minute) => {
        const ms = at('2026-10-01T00:00:00Z') + minute * 60_000
        expect(fireAfter(cron('* * * * *', zone), ms)).toBe(ms + 60_000)
        expect(firesBackFrom(cron('* * * * *', zone), ms).next().value).toBe(ms)
      },
    ),
    { numRuns: 200 },
  )
})

test('what comes next is what is found looking back from it', () => {
  fc.assert(
    fc.property(
      fc.constantFrom('30 2 * * *', '0 */3 * * *', '15,45 1-3 * * *', '0 0 1 * *', '*/7 * * * sun'),
      fc.constantFrom('Europe/Berlin', 'America/New_York'),
      fc.integer({ min: at('2026-10-20T00:00Z'), max: at('2027-04-10T00:00Z') }),
      (expression, zone, ms) => {
        const next = fireAfter(cron(expression, zone), ms) ?? 0
        expect(firesBackFrom(cron(expression, zone), next).next().value).toBe(next)
        expect(firesBackFrom(cron(expression, zone), next - 1).next().value).toBeLessThanOrEqual(ms)
      },
    ),
    { numRuns: 300 },
  )
})

test.each([
  ['* * * * * *', 'five fields'],
  ['2027-01-01T00:00:00', 'five fields'],
  ['', 'five fields'],
  ['99 * * * *', 'minute'],
  ['*/0 * * * *', 'stepping'],
  ['@reboot', 'not supported'],
  ['H * * * *', 'contains illegal characters. Expected five fields'],
  ['0 0 30 2 *', 'never fire'],
])('%s is refused', (expression, words) => {
  expect(cronFault(cron(expression))).toMatchObject({ member: 'expression', message: expect.stringContaining(words) })
})

test('expressions and time zones that are taken', () => {
  for (const expression of [
    '*/5 9-17 * * mon-fri',
    '0  9\t* * *',
    '@daily',
    '0 0 L * *',
    '0 0 29 2 *',
    '0 9 * * 1#1',
  ]) {
    expect([expression, cronFault(cron(expression, 'Asia/Kolkata'))]).toEqual([expression, undefined])
  }
  for (const zone of ['Mars/Olympus', '', 'x'.repeat(100)]) {
    expect(cronFault(cron('* * * * *', zone))).toMatchObject({ member: 'time_zone' })
  }
})

test('a date exists if it comes in the last decades that are looked at', () => {
  const days = fc.constantFrom('28', '29', '30', '31', 'L')
  const months = fc.constantFrom('2', '4', '2,4,6,9,11', '12')
  const weekdays = fc.constantFrom('*', '+mon', '+sun#5', 'sat')
  fc.assert(
    fc.property(days, months, weekdays, (day, month, weekday) => {
      const cadence = cron(`0 0 ${day} ${month} ${weekday}`)
      expect(cronFault(cadence) === undefined).toBe(fireAfter(cadence, at('2026-10-01T00:00Z')) !== null)
    }),
  )
})
