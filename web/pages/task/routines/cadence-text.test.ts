import { expect, test } from 'vitest'
import { cadenceWords } from './cadence-text.ts'

test.each([
  [{ type: 'manual' }, 'Only by hand'],
  [{ type: 'hourly' }, 'Every hour at minute 0'],
  [{ type: 'daily', hour_utc: 9, minute_utc: 5 }, 'Every day at 09:05 UTC'],
  [{ type: 'weekdays', hour_utc: 17 }, 'Monday to Friday at 17:00 UTC'],
  [{ type: 'weekly', day_of_week: 'tue', hour_utc: 6, minute_utc: 30 }, 'Every Tuesday at 06:30 UTC'],
  [{ type: 'cron', expression: '* * * * *' }, '* * * * *, UTC'],
] as const)('%j is %s', (cadence, text) => {
  expect(cadenceWords(cadence)).toBe(text)
})

test('a cron expression is said in words, with its time zone', () => {
  const cadence = { type: 'cron', expression: '0 9 * * *', time_zone: 'Europe/Berlin' } as const
  expect(cadenceWords(cadence, () => 'At 09:00 AM')).toBe('At 09:00 AM, Europe/Berlin')
})
