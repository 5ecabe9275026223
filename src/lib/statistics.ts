/** The 0.975 quantile of the normal distribution: 2.5 % lie on either side of a 95 % interval. */
const z95 = 1.959963984540054

/** Where a value lies with a confidence of 95 %. */
export interface Interval {
  low: number
  high: number
}

const lanczos = [
  676.5203681218851, -1259.1392167224028, 771.3234287776531, -176.6150291621406, 12.507343278686905,
  -0.13857109526572012, 9.984369578019572e-6, 1.5056327351493116e-7,
]

/** The logarithm of the gamma function, from 0.5 on (Lanczos, g = 7). */
const logGamma = (x: number): number => {
  const from = x - 1
  const sum = lanczos.reduce((total, term, at) => total + term / (from + at + 1), 0.9999999999998099)
  const t = from + 7.5
  return 0.5 * Math.log(2 * Math.PI) + (from + 0.5) * Math.log(t) - t + Math.log(sum)
}

const mostTerms = 500
const tiny = 1e-300

/** The continued fraction of the incomplete beta function, by Lentz's method. */
const betaFraction = (x: number, a: number, b: number): number => {
  const kept = (value: number) => (Math.abs(value) < tiny ? tiny : value)
  let c = 1
  let d = 1 / kept(1 - ((a + b) * x) / (a + 1))
  let fraction = d
  for (let m = 1; m <= mostTerms; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m))
    d = 1 / kept(1 + even * d)
    c = kept(1 + even / c)
    fraction *= d * c
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1))
    d = 1 / kept(1 + odd * d)
    c = kept(1 + odd / c)
    fraction *= d * c
    if (Math.abs(d * c - 1) < 1e-15) break
  }
  return fraction
}

/** The regularised incomplete beta function. */
const incompleteBeta = (x: number, a: number, b: number): number => {
  if (x <= 0) return 0
  if (x >= 1) return 1
  const front = Math.exp(logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log1p(-x))
  return x < (a + 1) / (a + b + 2) ? (front * betaFraction(x, a, b)) / a : 1 - (front * betaFraction(1 - x, b, a)) / b
}

/** How much of Student's t distribution lies above `t` (from 0 on), with so many degrees of freedom. */
const aboveT = (t: number, freedom: number): number => incompleteBeta(freedom / (freedom + t * t), freedom / 2, 0.5) / 2

/** The 0.975 quantile of Student's t distribution; `freedom` from 1 on. */
export const quantileT = (freedom: number): number => {
  let low = z95 // that of the normal distribution, which it nears from above
  let high = 13 // with one degree of freedom it is 12.706
  for (let halving = 0; halving < 60; halving++) {
    const middle = (low + high) / 2
    if (aboveT(middle, freedom) > 0.025) low = middle
    else high = middle
  }
  return (low + high) / 2
}

/** The mean of some values; null of none. */
export const mean = (values: readonly number[]): number | null =>
  values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length

/** Of a sample: with n − 1 in the denominator; null of fewer than two values. */
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
