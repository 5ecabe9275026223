const two = (part: number): string => String(part).padStart(2, '0')

/** Local day: `2026-11-28`. */
export const dayText = (moment: string | number): string => {
  const date = new Date(moment)
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`
}

/** Local time of day: `11:36:24`. */
export const clockText = (moment: string | number): string => {
  const date = new Date(moment)
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`
}

/** How far the local clock is from UTC at a moment: `UTC`, `UTC+1`, `UTC−3:30`. */
export const zoneText = (moment: string | number): string => {
  const minutes = -new Date(moment).getTimezoneOffset()
  if (Number.isNaN(minutes) || minutes === 0) return 'UTC'
  const rest = Math.abs(minutes) % 60
  return `UTC${minutes > 0 ? '+' : '−'}${Math.floor(Math.abs(minutes) / 60)}${rest === 0 ? '' : `:${two(rest)}`}`
}

/** Local day and time with its zone, since days of charts are those of UTC: `2026-11-28 11:36:24 UTC+1`; null is `–`. */
export const momentText = (moment: string | number | null | undefined): string =>
  moment === null || moment === undefined ? '–' : `${dayText(moment)} ${clockText(moment)} ${zoneText(moment)}`

/** Local time for somebody who looks at it `now`: only the time of day where the day is the same. */
export const shortMomentText = (moment: string | number, now: number): string =>
  dayText(moment) === dayText(now) ? `${clockText(moment)} ${zoneText(moment)}` : momentText(moment)
const units = [
  ['d', 86_400],
  ['h', 3_600],
  ['min', 60],
  ['s', 1],
] as const

/** Formats seconds: `31 ms`, `2.10 s`, `12.1 s`, `3 min 20 s`, `2 h`, `4 d 3 h`; null is `–`. */
export const durationText = (seconds: number | null | undefined): string => {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return '–'
  if (Math.round(seconds * 1000) < 1000) return `${Math.max(0, Math.round(seconds * 1000))} ms`
  if (seconds < 9.995) return `${seconds.toFixed(2)} s`
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`
  const whole = Math.round(seconds)
  const first = units.findIndex(([, size]) => whole >= size)
  const [unit, size] = units[first] ?? units[3]
  const next = units[first + 1]
  const rest = next ? Math.floor((whole % size) / next[1]) : 0
  return `${Math.floor(whole / size)} ${unit}${next && rest > 0 ? ` ${rest} ${next[0]}` : ''}`
}

const unitSeconds: Readonly<Record<string, number>> = { ms: 0.001, s: 1, m: 60, min: 60, h: 3_600, d: 86_400 }

/** Reads a duration as people write it: `90`, `1.5 s`, `5m`, `2 h`; undefined for anything else. */
export const secondsIn = (text: string): number | undefined => {
  const [, count, unit = 's'] = /^(\d{1,9}(?:\.\d{1,3})?) ?(ms|s|min|m|h|d)?$/.exec(text.trim()) ?? []
  return count === undefined ? undefined : Number(count) * (unitSeconds[unit] ?? 1)
}

/** Formats how long ago a moment was: `12 s ago`, `2 min ago`, `3 h ago`, `5 d ago`, then the day; null is `–`. */
export const agoText = (moment: string | null | undefined, now: number): string => {
  if (!moment) return '–'
  const seconds = (now - Date.parse(moment)) / 1000
  if (Number.isNaN(seconds)) return '–'
  if (seconds < -60) return `in ${lengthText(-seconds)}`
  if (seconds < 1) return 'now'
  return seconds < 30 * 86_400 ? `${lengthText(seconds)} ago` : dayText(moment)
}

const lengthText = (seconds: number): string => {
  if (seconds < 60) return `${Math.floor(seconds)} s`
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`
  return seconds < 86_400 ? `${Math.floor(seconds / 3600)} h` : `${Math.floor(seconds / 86_400)} d`
}
const dayMs = 86_400_000

/** Each day from the first to the last, as `2026-11-28`. */
export const everyDay = (from: string, to: string): string[] => {
  const days: string[] = []
  for (let at = Date.parse(from); at <= Date.parse(to); at += dayMs) days.push(new Date(at).toISOString().slice(0, 10))
  return days
}

/** The first of so many days (UTC) that end now. */
export const firstDay = (days: number, now: number): string =>
  new Date(now - (days - 1) * dayMs).toISOString().slice(0, 10)
