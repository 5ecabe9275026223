import type { Routine } from '../../../../src/model/routine.ts'

/** When a routine is to run, as a person entered it. */
export interface EnteredTimes {
  kind: Routine['cadence']['type']
  /** Such as `09:30`, in the person's time zone. */
  clock: string
  expression: string
}

const days: Record<string, string> = { daily: '*', weekdays: 'mon-fri', weekly: 'mon' }

/**
 * The cadence for the entered times. A time of day becomes a cron expression in the person's time zone, so that it stays
 * the same on the clock when summer begins.
 */
export const enteredCadence = ({ kind, clock, expression }: EnteredTimes, zone: string): Routine['cadence'] => {
  if (kind === 'manual' || kind === 'hourly') return { type: kind }
  if (kind === 'cron') return { type: 'cron', expression: expression.trim(), time_zone: zone }
  const [hour = '0', minute = '0'] = clock.split(':')
  return { type: 'cron', expression: `${Number(minute)} ${Number(hour)} * * ${days[kind] ?? '*'}`, time_zone: zone }
}
