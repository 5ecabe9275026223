import { type Command, InvalidArgumentError } from 'commander'
import { AppError } from '../../lib/errors.ts'
import { type Cadence, daysOfWeek } from '../../model/cadence.ts'

export interface CadenceOptions {
  manual?: boolean
  hourly?: true | Cadence
  daily?: Cadence
  weekdays?: Cadence
  weekly?: string[]
  cron?: string
  timeZone?: string
}

const clockOf = (text: string): { hour_utc: number; minute_utc: number } => {
  const [, hour, minute = '0'] = /^(\d{1,2})(?::(\d\d))?$/.exec(text) ?? []
  if (hour !== undefined && Number(hour) < 24 && Number(minute) < 60) {
    return { hour_utc: Number(hour), minute_utc: Number(minute) }
  }
  throw new InvalidArgumentError('Expected a time of day in UTC, such as 09:30.')
}

const minuteOf = (text: string): Cadence => {
  const minute = Number(text)
  if (/^\d{1,2}$/.test(text) && minute < 60) return { type: 'hourly', minute_utc: minute }
  throw new InvalidArgumentError('Expected a minute from 0 to 59.')
}

/** Adds the options that define a cadence. */
export const addCadenceOptions = (command: Command): Command =>
  command
    .option('--manual', 'no schedule; start it with jetty routines run')
    .option('--hourly [minute]', 'every hour, at this minute (default: 0)', minuteOf)
    .option(
      '--daily <HH:MM>',
      'every day, at this time in UTC',
      (text): Cadence => ({ type: 'daily', ...clockOf(text) }),
    )
    .option('--weekdays <HH:MM>', 'from Monday to Friday', (text): Cadence => ({ type: 'weekdays', ...clockOf(text) }))
    .option('--weekly <day HH:MM...>', 'every week, for example mon 09:00')
    .option('--cron <expression>', 'five fields, for example "*/10 9-17 * * mon-fri"')
    .option('--time-zone <zone>', 'with --cron: an IANA name such as Europe/Berlin (default: UTC)')

const weeklyOf = (words: string[]): Cadence => {
  const [day = '', time = '', ...more] = words.join(' ').trim().split(/\s+/)
  const known = daysOfWeek.find((one) => one === day.toLowerCase().slice(0, 3))
  if (known && time !== '' && more.length === 0) {
    try {
      return { type: 'weekly', day_of_week: known, ...clockOf(time) }
    } catch {
      // Reported below, with both parts.
    }
  }
  throw new AppError('invalid', 'Expected a day and a time in UTC after --weekly', {
    hint: 'For example: --weekly mon 09:00',
  })
}

/** Cadence from the options; undefined when there is none. */
export const cadenceOf = (options: CadenceOptions): Cadence | undefined => {
  const { manual, hourly, daily, weekdays, weekly, cron, timeZone } = options
  const named: Cadence[] = [
    ...(manual ? [{ type: 'manual' } as const] : []),
    ...(hourly ? [hourly === true ? ({ type: 'hourly' } as const) : hourly] : []),
    ...(daily ? [daily] : []),
    ...(weekdays ? [weekdays] : []),
    ...(weekly ? [weeklyOf(weekly)] : []),
    ...(cron === undefined
      ? []
      : [{ type: 'cron', expression: cron, ...(timeZone === undefined ? {} : { time_zone: timeZone }) } as const]),
  ]
  if (named.length > 1)
    throw new AppError('invalid', 'Several cadences were given; a routine has one', { hint: choices })
  if (timeZone !== undefined && cron === undefined) {
    throw new AppError('invalid', '--time-zone needs --cron; the other cadences are in UTC')
  }
  return named[0]
}

const choices = '--hourly, --daily, --weekdays, --weekly, --cron or --manual'

/** Cadence from the options; throws when there is none. */
export const requireCadence = (options: CadenceOptions): Cadence => {
  const cadence = cadenceOf(options)
  if (cadence) return cadence
  throw new AppError('invalid', 'The routine has no cadence', { hint: `Add one of ${choices}.` })
}

const two = (value = 0): string => String(value).padStart(2, '0')

/** Describes a cadence in words. */
export const cadenceText = (cadence: Cadence): string => {
  const { type, minute_utc: minute, hour_utc: hour, day_of_week: day, expression, time_zone: zone } = cadence
  if (type === 'manual') return 'by hand'
  if (type === 'hourly') return `hourly at :${two(minute)}`
  if (type === 'cron') return `${expression} (${zone ?? 'UTC'})`
  const time = `${two(hour)}:${two(minute)} UTC`
  return type === 'weekly' ? `weekly, ${day} ${time}` : `${type} ${time}`
}
