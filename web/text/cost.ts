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
