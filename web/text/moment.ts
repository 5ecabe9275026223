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

/** Local day and time: `2026-11-28 11:36:24`; null is `–`. */
export const momentText = (moment: string | number | null | undefined): string =>
  moment === null || moment === undefined ? '–' : `${dayText(moment)} ${clockText(moment)}`

/** Local time for somebody who looks at it `now`: only the time of day where the day is the same. */
export const shortMomentText = (moment: string | number, now: number): string =>
  dayText(moment) === dayText(now) ? clockText(moment) : momentText(moment)
