/** Shortens a number: `310`, `4.2k`, `18k`, `1.3M`; null is `–`. */
export const countText = (count: number | null | undefined): string => {
  if (count === null || count === undefined) return '–'
  if (count < 1000) return String(count)
  if (count < 9_950) return `${(count / 1000).toFixed(1)}k`
  if (count < 999_500) return `${Math.round(count / 1000)}k`
  if (count < 9_950_000) return `${(count / 1_000_000).toFixed(1)}M`
  return `${Math.round(count / 1_000_000).toLocaleString('en-US')}M`
}
