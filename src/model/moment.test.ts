import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { momentSchema } from './names.ts'

const read = (text: string): number | undefined => momentSchema.safeParse(text).data

describe('a moment', () => {
  it.each([
    ['2026-11-25', '2026-11-25T00:00:00.000Z'],
    ['2026-11-25T08:30', '2026-11-25T08:30:00.000Z'],
    ['2026-11-25 08:30:01', '2026-11-25T08:30:01.000Z'],
    ['2026-11-25t08:30:01.123456789z', '2026-11-25T08:30:01.123Z'],
    ['2026-11-25T08:30:01+05:30', '2026-11-25T03:00:01.000Z'],
    ['2026-11-25T08:30:01-0100', '2026-11-25T09:30:01.000Z'],
    ['2024-02-29', '2024-02-29T00:00:00.000Z'],
    ['2000-02-29', '2000-02-29T00:00:00.000Z'],
    ['0001-01-01', '0001-01-01T00:00:00.000Z'],
    ['2026-11-25T24:00:00Z', '2026-11-26T00:00:00.000Z'],
  ])('%s is %s', (text, iso) => expect(new Date(read(text) ?? Number.NaN).toISOString()).toBe(iso))

  it.each([
    ...['2024-02-30', '2023-02-29', '1900-02-29', '2026-04-31', '2026-13-01', '2026-00-10', '2026-01-00'],
    ...['2026-01-01T25:00', '2026-01-01T24:00:01', '2026-01-01T24:00:00.5', '2026-01-01T10:60', '2026-01-01T10:00:60'],
    ...['2026-01-01T10:00+24:00', '2026-01-01T10:00+01:60', '2026-1-1', '', 'now', '2026-01-01Z', '2026-01-01T10Z'],
  ])('%j is none', (text) => expect(read(text)).toBeUndefined())

  it('of the calendar is read as it is written, and a day that no month has is none', () => {
    const two = (number: number) => String(number).padStart(2, '0')
    const dates = fc.tuple(
      fc.integer({ min: 1, max: 9999 }),
      fc.integer({ min: 0, max: 13 }),
      fc.integer({ min: 0, max: 32 }),
    )
    const clocks = fc.tuple(
      fc.integer({ min: 0, max: 23 }),
      fc.integer({ min: 0, max: 59 }),
      fc.integer({ min: 0, max: 999 }),
    )
    fc.assert(
      fc.property(dates, clocks, ([year, month, day], [hour, minute, ms]) => {
        const date = `${String(year).padStart(4, '0')}-${two(month)}-${two(day)}`
        const text = `${date}T${two(hour)}:${two(minute)}:07.${String(ms).padStart(3, '0')}Z`
        const at = read(text)
        const days =
          month === 2
            ? year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0)
              ? 29
              : 28
            : [4, 6, 9, 11].includes(month)
              ? 30
              : 31
        const isDay = month >= 1 && month <= 12 && day >= 1 && day <= days
        expect(at === undefined ? undefined : new Date(at).toISOString()).toBe(isDay ? text : undefined)
      }),
      { numRuns: 2_000 },
    )
  })
})
