/** Shortens a number: `310`, `4.2k`, `18k`, `1.3M`; null is `–`. */
export const countText = (count: number | null | undefined): string => {
  if (count === null || count === undefined) return '–'
  if (count < 1000) return String(count)
  if (count < 9_950) return `${(count / 1000).toFixed(1)}k`
  if (count < 999_500) return `${Math.round(count / 1000)}k`
  if (count < 9_950_000) return `${(count / 1_000_000).toFixed(1)}M`
  return `${Math.round(count / 1_000_000).toLocaleString('en-US')}M`
}
const units = ['KB', 'MB', 'GB', 'TB', 'PB']

/** Formats a size with units of 1,000: `44 B`, `1.5 KB`, `412 MB`; null is `–`. */
export const bytesText = (bytes: number | null | undefined): string => {
  if (bytes === null || bytes === undefined) return '–'
  if (bytes < 1000) return `${bytes} B`
  let size = bytes
  let unit = -1
  do {
    size /= 1000
    unit += 1
  } while (size >= 999.5 && unit < units.length - 1)
  return `${size < 9.95 ? size.toFixed(1) : Math.round(size)} ${units[unit]}`
}
/** Formats US dollars: `$0.0120`, `$12.34`, `<$0.0001`, `about $0.0120` for an estimate; null is `unknown`. */
export const usdText = (usd: number | null | undefined, isEstimated = false): string => {
  if (isEstimated && usd) return `about ${usdText(usd)}`
  if (usd === null || usd === undefined) return 'unknown'
  if (usd === 0) return '$0'
  if (usd < 0.0001) return '<$0.0001'
  if (usd < 0.99995) return `$${usd.toFixed(4)}`
  return `$${usd.toLocaleString('en-US', { minimumFractionDigits: 2, maximumFractionDigits: 2 })}`
}

/** Cost of what may have called no model: `–` where it has not, so that `$0` means calls that cost nothing. */
export const costText = (usd: number | null | undefined, hasCalled: boolean): string => (hasCalled ? usdText(usd) : '–')
/** Formats a share of a whole: `98 %`, `99.5 %` near its ends; null where there is no whole. */
export const shareText = (part: number, whole: number): string => {
  if (whole === 0) return '–'
  const percent = (part / whole) * 100
  if (percent === 0 || percent === 100) return `${percent} %`
  return percent < 1 || percent > 99
    ? `${Math.min(99.9, Math.max(0.1, percent)).toFixed(1)} %`
    : `${Math.round(percent)} %`
}
