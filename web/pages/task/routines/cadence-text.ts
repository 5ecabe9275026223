import type { Routine } from '../../../../src/model/routine.ts'

type Cadence = Routine['cadence']

const clock = ({ hour_utc: hour, minute_utc: minute }: Cadence): string =>
  `${String(hour ?? 0).padStart(2, '0')}:${String(minute ?? 0).padStart(2, '0')} UTC`

const days: Record<string, string> = {
  ...{ mon: 'Monday', tue: 'Tuesday', wed: 'Wednesday', thu: 'Thursday' },
  ...{ fri: 'Friday', sat: 'Saturday', sun: 'Sunday' },
}

/** Says in words when a routine fires. `cronWords` puts a cron expression into words; without it the expression stands. */
export const cadenceWords = (cadence: Cadence, cronWords?: (expression: string) => string): string => {
  switch (cadence.type) {
    case 'hourly':
      return `Every hour at minute ${cadence.minute_utc ?? 0}`
    case 'daily':
      return `Every day at ${clock(cadence)}`
    case 'weekdays':
      return `Monday to Friday at ${clock(cadence)}`
    case 'weekly':
      return `Every ${days[cadence.day_of_week ?? ''] ?? 'week'} at ${clock(cadence)}`
    case 'cron': {
      const expression = cadence.expression ?? ''
      return `${cronWords?.(expression) ?? expression}, ${cadence.time_zone ?? 'UTC'}`
    }
    default:
      return 'Only by hand'
  }
}
