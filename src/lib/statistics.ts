/** The 0.975 quantile of the normal distribution: 2.5 % lie on either side of a 95 % interval. */
const z95 = 1.959963984540054

/** A 95 % confidence interval. */
export interface Interval {
  low: number
  high: number
}

/** From here on the asymptotic expansion of the quantile is right to 12 digits; before it, the series is short. */
const manyDegrees = 300

/**
 * The share of Student's t distribution between -t and t, for a whole number of degrees of freedom: a finite series in
 * the angle of t (Abramowitz and Stegun, 26.7.3 and 26.7.4).
 */
const shareWithinT = (t: number, freedom: number): number => {
  const angle = Math.atan(t / Math.sqrt(freedom))
  const square = Math.cos(angle) ** 2
  const isOdd = freedom % 2 === 1
  let term = isOdd ? Math.cos(angle) : 1
  let sum = freedom === 1 ? 0 : term
  for (let k = isOdd ? 3 : 2; k < freedom; k += 2) {
    term *= (square * (k - 1)) / k
    sum += term
  }
  return isOdd ? (2 / Math.PI) * (angle + Math.sin(angle) * sum) : Math.sin(angle) * sum
}

/** The quantile as the one of the normal distribution and corrections to it (Abramowitz and Stegun, 26.7.5). */
const expandedT = (freedom: number): number => {
  const z = z95
  const terms = [
    (z ** 3 + z) / 4,
    (5 * z ** 5 + 16 * z ** 3 + 3 * z) / 96,
    (3 * z ** 7 + 19 * z ** 5 + 17 * z ** 3 - 15 * z) / 384,
    (79 * z ** 9 + 776 * z ** 7 + 1482 * z ** 5 - 1920 * z ** 3 - 945 * z) / 92_160,
  ]
  return z + terms.reduce((sum, term, at) => sum + term / freedom ** (at + 1), 0)
}

/** The 0.975 quantile of Student's t distribution; `freedom` is whole, from 1 on. */
export const quantileT = (freedom: number): number => {
  if (freedom >= manyDegrees) return expandedT(freedom)
  let low = z95 // t approaches the normal distribution from above
  let high = 13 // with one degree of freedom it is 12.706
  for (let halving = 0; halving < 60; halving++) {
    const middle = (low + high) / 2
    if (shareWithinT(middle, freedom) < 0.95) low = middle
    else high = middle
  }
  return (low + high) / 2
}

/** The mean of some values; null of none. */
export const mean = (values: readonly number[]): number | null =>
  values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length

/** Standard deviation of a sample, with n − 1 in the denominator; null for fewer than two values. */
export const standardDeviation = (values: readonly number[]): number | null => {
  const middle = mean(values)
  if (middle === null || values.length < 2) return null
  return Math.sqrt(values.reduce((sum, value) => sum + (value - middle) ** 2, 0) / (values.length - 1))
}

/** Student's interval of a mean: mean ± t · s / √n. Null of fewer than two values, which say nothing of their spread. */
export const meanInterval = (values: readonly number[]): Interval | null => {
  const middle = mean(values)
  const spread = standardDeviation(values)
  if (middle === null || spread === null) return null
  const reach = spread === 0 ? 0 : (quantileT(values.length - 1) * spread) / Math.sqrt(values.length)
  return { low: middle - reach, high: middle + reach }
}

/**
 * Wilson's score interval of a share (E. B. Wilson, 1927): unlike the usual one it stays within 0 and 1, and says something
 * of 0 out of n too. Null of none.
 */
export const shareInterval = (hits: number, n: number): Interval | null => {
  if (n === 0) return null
  const share = hits / n
  const square = z95 * z95
  const middle = (share + square / (2 * n)) / (1 + square / n)
  const reach = (z95 * Math.sqrt((share * (1 - share)) / n + square / (4 * n * n))) / (1 + square / n)
  return { low: hits === 0 ? 0 : middle - reach, high: hits === n ? 1 : middle + reach }
}

/**
 * The interval of the difference of two shares over the same n things (D. G. Bonett and R. M. Price, 2012): `gained` of
 * them hit only now, `lost` only before. Null of none.
 */
export const pairedShareInterval = (gained: number, lost: number, n: number): Interval | null => {
  if (n === 0) return null
  const up = (gained + 1) / (n + 2)
  const down = (lost + 1) / (n + 2)
  const reach = z95 * Math.sqrt((up + down - (up - down) ** 2) / (n + 2))
  return { low: Math.max(-1, up - down - reach), high: Math.min(1, up - down + reach) }
}
