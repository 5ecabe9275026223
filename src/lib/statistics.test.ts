import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { mean, meanInterval, pairedShareInterval, quantileT, shareInterval, standardDeviation } from './statistics.ts'

describe("the quantile of Student's t distribution", () => {
  it.each([
    [1, 12.706205],
    [2, 4.302653],
    [3, 3.182446],
    [5, 2.570582],
    [9, 2.262157],
    [10, 2.228139],
    [20, 2.085963],
    [29, 2.04523],
    [30, 2.042272],
    [39, 2.022691],
    [60, 2.000298],
    [100, 1.983972],
    [120, 1.97993],
    [200, 1.971896],
    [1000, 1.962339],
    [100_000, 1.959988],
  ])('with %d degrees of freedom is that of the tables', (freedom, known) => {
    expect(quantileT(freedom)).toBeCloseTo(known, 5)
  })

  it('has the closed forms of one and two degrees of freedom', () => {
    expect(quantileT(1)).toBeCloseTo(Math.tan(Math.PI * 0.475), 10)
    expect(quantileT(2)).toBeCloseTo(0.95 / Math.sqrt(2 * 0.975 * 0.025), 10)
  })

  it('goes over from the series to the expansion without a step', () => {
    const fall = (freedom: number) => quantileT(freedom) - quantileT(freedom + 1)
    expect(fall(299) / fall(298)).toBeCloseTo(298 / 300, 4)
    expect(fall(300) / fall(299)).toBeCloseTo(299 / 301, 4)
  })

  it('falls towards that of the normal distribution', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5_000 }), (freedom) => {
        expect(quantileT(freedom)).toBeGreaterThan(quantileT(freedom + 1))
        expect(quantileT(freedom)).toBeGreaterThan(1.95996)
      }),
      { numRuns: 50 },
    )
  })
})

describe('the interval of a mean', () => {
  it('is mean ± t · s / √n', () => {
    const values = [4, 5, 6, 7, 8] // mean 6, s = √2.5, t = 2.776445
    expect(mean(values)).toBe(6)
    expect(standardDeviation(values)).toBeCloseTo(1.5811388, 6)
    expect(meanInterval(values)?.low).toBeCloseTo(6 - 1.9632431, 5)
    expect(meanInterval(values)?.high).toBeCloseTo(6 + 1.9632431, 5)
  })

  it('is not known of fewer than two values, and has no width where all are the same', () => {
    expect([mean([]), meanInterval([]), meanInterval([3]), standardDeviation([3])]).toEqual([null, null, null, null])
    expect(meanInterval([3, 3, 3])).toEqual({ low: 3, high: 3 })
  })

  it('moves with the values, and holds their mean', () => {
    const values = fc.array(fc.double({ min: -1e3, max: 1e3, noNaN: true }), { minLength: 2, maxLength: 50 })
    fc.assert(
      fc.property(values, fc.double({ min: -100, max: 100, noNaN: true }), (some, by) => {
        const interval = meanInterval(some)
        const moved = meanInterval(some.map((value) => value + by))
        const middle = mean(some) ?? Number.NaN
        expect(interval?.low).toBeLessThanOrEqual(middle + 1e-9)
        expect(interval?.high).toBeGreaterThanOrEqual(middle - 1e-9)
        expect(moved?.low).toBeCloseTo((interval?.low ?? 0) + by, 6)
      }),
      { numRuns: 100 },
    )
  })
})

describe('the interval of a share', () => {
  it.each([
    [0, 10, 0, 0.277533],
    [10, 10, 0.722467, 1],
    [5, 10, 0.236593, 0.763407],
    [81, 263, 0.255289, 0.366221], // the example of R. G. Newcombe, 1998
    [15, 148, 0.062386, 0.160509],
  ])('%d of %d', (hits, n, low, high) => {
    expect(shareInterval(hits, n)?.low).toBeCloseTo(low, 4)
    expect(shareInterval(hits, n)?.high).toBeCloseTo(high, 4)
  })

  it('stays within 0 and 1, holds the share, is the same from the other side, and is not known of none', () => {
    expect(shareInterval(0, 0)).toBeNull()
    fc.assert(
      fc.property(fc.nat(500), fc.nat(500), (hits, misses) => {
        const n = hits + misses
        fc.pre(n > 0)
        const { low, high } = shareInterval(hits, n) ?? { low: Number.NaN, high: Number.NaN }
        const other = shareInterval(misses, n)
        expect(low).toBeGreaterThanOrEqual(0)
        expect(high).toBeLessThanOrEqual(1)
        expect(low).toBeLessThanOrEqual(hits / n + 1e-12)
        expect(high).toBeGreaterThanOrEqual(hits / n - 1e-12)
        expect(other?.low).toBeCloseTo(1 - high, 9)
      }),
    )
  })
})

describe('the interval of a difference of shares over the same things', () => {
  it('is that of Bonett and Price', () => {
    // (10 + 1) / 102 − (4 + 1) / 102 = 0.058824; ± 1.959964 · √((0.156863 − 0.003460) / 102)
    expect(pairedShareInterval(10, 4, 100)?.low).toBeCloseTo(-0.017185, 5)
    expect(pairedShareInterval(10, 4, 100)?.high).toBeCloseTo(0.134832, 5)
  })

  it('turns its sign with the sides', () => {
    expect(pairedShareInterval(0, 0, 0)).toBeNull()
    fc.assert(
      fc.property(fc.nat(50), fc.nat(50), fc.nat(50), (gained, lost, same) => {
        fc.pre(gained + lost + same > 0)
        const there = pairedShareInterval(gained, lost, gained + lost + same)
        const back = pairedShareInterval(lost, gained, gained + lost + same)
        expect(there?.low).toBeCloseTo(-(back?.high ?? 0), 12)
      }),
    )
  })
})
