import { dayText } from './moment.ts'

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
