import { expect, test } from 'vitest'
import { cadenceWords, enteredCadence } from './page.tsx'

const expression = ' 0 9 * * * '

test.each([
  ['manual', { type: 'manual' }],
  ['hourly', { type: 'hourly' }],
  ['cron', { type: 'cron', expression: '0 9 * * *', time_zone: 'Europe/Berlin' }],
  ['daily', { type: 'cron', expression: '5 17 * * *', time_zone: 'Europe/Berlin' }],
  ['weekdays', { type: 'cron', expression: '5 17 * * mon-fri', time_zone: 'Europe/Berlin' }],
  ['weekly', { type: 'cron', expression: '5 17 * * mon', time_zone: 'Europe/Berlin' }],
] as const)('%s is %j', (kind, cadence) => {
  expect(enteredCadence({ kind, clock: '17:05', expression }, 'Europe/Berlin')).toEqual(cadence)
})

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
