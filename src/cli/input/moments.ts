import { InvalidArgumentError } from 'commander'

const secondMs = 1_000
const dayMs = 86_400 * secondMs
const unitMs: Readonly<Record<string, number>> = {
  s: secondMs,
  m: 60 * secondMs,
  h: 3_600 * secondMs,
  d: dayMs,
  w: 7 * dayMs,
  y: 365 * dayMs,
}

/** Parses `90s`, `15m`, `12h`, `30d`, `2w`, `1y` to milliseconds; undefined for anything else. */
const spanMs = (text: string): number | undefined => {
  const [, amount, unit = ''] = /^(\d{1,7})([smhdwy])$/.exec(text) ?? []
  return amount === undefined ? undefined : Number(amount) * (unitMs[unit] ?? 0)
}

/** Parses a time; NaN for 30 February too, which `Date.parse` turns into 1 March. */
const parseMoment = (text: string): number => {
  const [day = ''] = /^\d{4}-\d\d-\d\d/.exec(text) ?? []
  const midnight = new Date(day)
  const isDay = !Number.isNaN(midnight.getTime()) && midnight.toISOString().startsWith(day)
  return isDay ? Date.parse(text) : Number.NaN
}

const iso = (ms: number, example: string): string => {
  const at = new Date(ms)
  if (Number.isNaN(at.getTime())) {
    throw new InvalidArgumentError(`Expected a time span such as 1h, 30d or 1y, or a moment such as ${example}.`)
  }
  return at.toISOString()
}

/** Parses how long something takes (`90s`, `15m`, `2h`; a bare number is seconds) to seconds. */
export const span = (text: string): number => {
  const ms = /^\d+(\.\d+)?$/.test(text) ? Number(text) * secondMs : spanMs(text)
  if (ms === undefined) throw new InvalidArgumentError('Expected a time such as 90s, 15m or 2h.')
  return ms / secondMs
}

/** Parses a past time (`1h` is an hour ago) to ISO 8601, UTC. */
export const past = (text: string): string => {
  const span = spanMs(text)
  return iso(span === undefined ? parseMoment(text) : Date.now() - span, '2026-11-25T08:00:00Z')
}

/** Parses a future time (`30d` is in thirty days) to ISO 8601, UTC. */
export const future = (text: string): string => {
  const span = spanMs(text)
  const moment = iso(span === undefined ? parseMoment(text) : Date.now() + span, '2027-01-31')
  if (Date.parse(moment) <= Date.now()) throw new InvalidArgumentError('That time has already passed.')
  return moment
}
