import { Cron } from 'croner'
import { messageOf } from '../../lib/errors.ts'
import type { Cadence } from '../../model/cadence.ts'

/** Five fields or a name; croner would also accept seconds, years and single times. */
const expressionForm = /^(@[a-z]+|\S+([ \t]+\S+){4})$/i

/** Converts a cadence to a cron expression; undefined when it never fires by itself. */
const expressionOf = (cadence: Cadence): string | undefined => {
  const { type, minute_utc: minute = 0, hour_utc: hour = 0, day_of_week: day, expression } = cadence
  if (type === 'hourly') return `${minute} * * * *`
  if (type === 'daily') return `${minute} ${hour} * * *`
  if (type === 'weekdays') return `${minute} ${hour} * * mon-fri`
  if (type === 'weekly') return `${minute} ${hour} * * ${day}`
  return expression
}

/**
 * Rule for daylight saving. A time skipped in spring fires at the first moment after the gap; one repeated in autumn
 * fires once, the first time. Expressions with `*` or steps in hour or minute continue hourly instead, as in cron.
 */
const fixedTimeRule = 'no-wildcard'

const cronOf = (expression: string, timeZone: string): Cron =>
  new Cron(expression, { timezone: timeZone, mode: '5-part', fixedTimeRule, paused: true })

/**
 * The library looks for a date until the year 3000, which takes 20 ms where it never comes. Every 29 February falls on each
 * weekday within 28 years of one century: a date that does not come from here on does not exist.
 */
const lastDecades = new Date('2950-01-01T00:00:00Z')

/** Finds a fault in the expression or time zone of a cadence, with its member; undefined when there is none. */
export const cronFault = (cadence: Cadence): { member: 'expression' | 'time_zone'; message: string } | undefined => {
  const { type, expression = '', time_zone: zone } = cadence
  if (type !== 'cron') return undefined
  if (zone !== undefined && !isTimeZone(zone)) {
    return { member: 'time_zone', message: `There is no time zone '${zone}'; use an IANA name such as Europe/Berlin` }
  }
  const example = 'such as "*/5 9-17 * * mon-fri": minute, hour, day of month, month, day of week'
  if (!expressionForm.test(expression)) return { member: 'expression', message: `Expected five fields, ${example}` }
  try {
    if (cronOf(expression, zone ?? 'UTC').nextRun(lastDecades)) return undefined
    return { member: 'expression', message: 'This date does not exist, so the routine would never fire' }
  } catch (error) {
    return {
      member: 'expression',
      message: `${messageOf(error).replace(/^Cron\w+: |\.$/g, '')}. Expected five fields, ${example}`,
    }
  }
}

const isTimeZone = (name: string): boolean => {
  try {
    return name !== '' && new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== ''
  } catch {
    return false
  }
}

/** First fire after a time, in milliseconds since 1970; null when there is none. */
export const fireAfter = (cadence: Cadence, ms: number): number | null => {
  const expression = expressionOf(cadence)
  if (expression === undefined) return null
  return (
    cronOf(expression, cadence.time_zone ?? 'UTC')
      .nextRun(new Date(ms))
      ?.getTime() ?? null
  )
}

/** The first fires after a time, in milliseconds since 1970. */
export const firesAfter = (cadence: Cadence, ms: number, count: number): number[] => {
  const expression = expressionOf(cadence)
  if (expression === undefined || count === 0) return []
  return cronOf(expression, cadence.time_zone ?? 'UTC')
    .nextRuns(count, new Date(ms))
    .map((at) => at.getTime())
}

/** Fires up to and including a time, newest first. */
export function* firesBackFrom(cadence: Cadence, ms: number): Generator<number> {
  const expression = expressionOf(cadence)
  if (expression === undefined) return
  const cron = cronOf(expression, cadence.time_zone ?? 'UTC')
  for (let before = new Date(ms + 1); ; ) {
    const [at] = cron.previousRuns(1, before)
    if (!at) return
    yield at.getTime()
    before = at
  }
}

/** Parses a stored cadence. */
export const readCadence = (text: string): Cadence => JSON.parse(text) as Cadence
