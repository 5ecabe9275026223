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
