import type { Routine } from '../../../../src/model/routine.ts'

const parts: Intl.DateTimeFormatOptions = {
  ...{ weekday: 'short', month: 'short', day: 'numeric' },
  ...{ hour: '2-digit', minute: '2-digit', hourCycle: 'h23' },
}

/** The time zone in which a routine says when it fires. */
export const zoneOf = ({ type, time_zone: zone }: Routine['cadence']): string => (type === 'cron' && zone) || 'UTC'

/** The time of a fire in the zone of its routine, so that it fits the words of the cadence. */
export const fireTime = (moment: string, zone: string): string =>
  new Intl.DateTimeFormat('en-GB', { ...parts, timeZone: zone }).format(new Date(moment))
