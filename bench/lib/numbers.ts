/** The value below which the fraction `at` of the samples lie. */
export const percentile = (samples: number[], at: number): number => {
  const sorted = [...samples].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * at))] ?? Number.NaN
}

export const median = (samples: number[]): number => {
  const sorted = [...samples].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2
}

/** Samples in the order in which they were taken, in so many parts: the rounds of a figure. */
export const parts = (samples: readonly number[], count: number): number[][] => {
  const size = Math.ceil(samples.length / count)
  return Array.from({ length: count }, (_, at) => samples.slice(at * size, (at + 1) * size))
}

/** Each value of one to that of the other in the same round. */
export const ratios = (ones: readonly number[], others: readonly number[]): number[] =>
  ones.map((one, at) => one / (others[at] ?? Number.NaN))

export const sum = (samples: number[]): number => samples.reduce((total, one) => total + one, 0)

/** Three significant digits, thousands apart. */
export const shown = (value: number): string => {
  if (!Number.isFinite(value)) return '-'
  const digits = value === 0 ? 0 : Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))))
  return value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits })
}
