import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { makeTimeScale, ticksOf, tickText, union } from './time-scale.ts'

describe('a time scale', () => {
  it('is even while there is no long idle stretch', () => {
    const scale = makeTimeScale({ from: 0, to: 1000 }, [
      { from: 0, to: 500 },
      { from: 600, to: 1000 },
    ])
    expect([0, 250, 1000, -5, 2000].map((moment) => scale.at(moment))).toEqual([0, 0.25, 1, 0, 1])
    expect(scale.folds).toEqual([])
  })

  it('folds a night between two busy minutes', () => {
    const scale = makeTimeScale({ from: 0, to: 30_060_000 }, [
      { from: 0, to: 30_000 },
      { from: 30_030_000, to: 30_060_000 },
    ])
    expect(scale.folds).toMatchObject([{ from: 30_000, to: 30_030_000, width: 0.04 }])
    expect(scale.at(30_000)).toBeCloseTo(0.48)
    expect(scale.at(30_030_000)).toBeCloseTo(0.52)
    expect(scale.at(30_060_000)).toBeCloseTo(1)
  })

  it('folds before the first and after the last busy stretch', () => {
    const scale = makeTimeScale({ from: 0, to: 100_000 }, [{ from: 50_000, to: 52_000 }])
    expect(scale.folds.map(({ from, to }) => [from, to])).toEqual([
      [0, 50_000],
      [52_000, 100_000],
    ])
  })

  it('has a width where the run took no time', () => {
    expect(makeTimeScale({ from: 5, to: 5 }, []).at(5)).toBe(0)
  })

  it('keeps the order of moments, and finds each again from its place', () => {
    const span = fc.tuple(fc.nat(1_000_000), fc.nat(50_000)).map(([from, length]) => ({ from, to: from + length }))
    fc.assert(
      fc.property(fc.array(span, { maxLength: 20 }), fc.array(fc.nat(1_100_000), { minLength: 2 }), (busy, moments) => {
        const scale = makeTimeScale({ from: 0, to: 1_100_000 }, busy)
        const places = moments.sort((a, b) => a - b).map((moment) => scale.at(moment))
        for (const [index, place] of places.entries()) {
          expect(place).toBeGreaterThanOrEqual(places[index - 1] ?? 0)
          expect(place).toBeLessThanOrEqual(1)
          expect(Math.abs(scale.moment(place) - moments[index]!)).toBeLessThan(2)
        }
      }),
    )
  })
})

it.each([
  [{ from: 0, to: 31 }, [0, 10, 20, 30]],
  [{ from: 0, to: 1000 }, [0, 200, 400, 600, 800]],
  [{ from: 0, to: 3_600_000 }, [0, 600_000, 1_200_000, 1_800_000, 2_400_000, 3_000_000]],
])('ticks of %j are round', (span, ticks) => {
  expect(ticksOf(makeTimeScale(span, [span]))).toEqual(ticks)
})

it('ticks leave folds out, and stand apart', () => {
  const busy = [
    { from: 0, to: 1000 },
    { from: 500_000, to: 501_000 },
  ]
  expect(ticksOf(makeTimeScale({ from: 0, to: 501_000 }, busy))).toEqual([0, 500, 1000, 500_500])
})

it('joins spans that overlap or touch', () => {
  expect(
    union([
      { from: 5, to: 9 },
      { from: 0, to: 2 },
      { from: 2, to: 4 },
      { from: 6, to: 7 },
    ]),
  ).toEqual([
    { from: 0, to: 4 },
    { from: 5, to: 9 },
  ])
})

it('says how long after a fold a tick is', () => {
  const busy = [
    { from: 0, to: 1000 },
    { from: 28_800_000, to: 28_801_000 },
  ]
  const scale = makeTimeScale({ from: 0, to: 28_801_000 }, busy)
  expect([500, 28_800_000, 28_800_500].map((tick) => tickText(scale, tick, 0))).toEqual(['500 ms', '8 h', '+500 ms'])
})
