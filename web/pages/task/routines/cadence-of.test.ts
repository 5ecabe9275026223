import { expect, test } from 'vitest'
import { enteredCadence } from './cadence-of.ts'

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
