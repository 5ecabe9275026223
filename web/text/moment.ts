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
