import { expect, it } from 'vitest'
import { forecast, type Sample } from './forecast.ts'

/** Reproducible random numbers from 0 to 1. */
const randomOf = (seed: number) => {
  let state = seed
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648
    return state / 2_147_483_648
  }
}

/** Runs whose cost and time have long tails. */
const runsOf = (random: () => number, count: number): Sample[] =>
  Array.from({ length: count }, () => ({
    usd: 0.01 * Math.exp(2 * random()),
    seconds: 0.5 + 3 * random() ** 3,
  }))

const sumOf = (runs: readonly Sample[]): number => runs.reduce((sum, { usd }) => sum + usd, 0)

it.each([
  { recorded: 10, count: 1 },
  { recorded: 10, count: 20 },
  { recorded: 40, count: 200 },
  { recorded: 200, count: 5_000 },
])('$count runs after $recorded: 90 of 100 costs lie within the interval', ({ recorded, count }) => {
  const random = randomOf(17)
  let within = 0
  for (let round = 0; round < 200; round++) {
    const { usd } = forecast([{ samples: runsOf(random, recorded), count }], 20)
    const truth = sumOf(runsOf(random, count))
    if (truth >= (usd.low ?? 0) && truth <= (usd.high ?? 0)) within++
  }
  expect(within).toBeGreaterThanOrEqual(168)
})

it('the time is that of the runs in their places, and of the judgements after them', () => {
  const samples = Array.from({ length: 30 }, () => ({ usd: 1, seconds: 2 }))
  expect(forecast([{ samples, count: 10 }], 5)).toMatchObject({
    usd: { expected: 10, low: 10, high: 10 },
    seconds: { expected: 4, low: 4, high: 4 },
  })
  const both = [
    { samples, count: 1000 },
    { samples, count: 1000 },
  ]
  const { seconds } = forecast(both, 10)
  expect(seconds.expected).toBeGreaterThan(400)
  expect(seconds.expected).toBeLessThan(404)
})

it('one recorded run has no interval, two have a wide one, and nothing to run costs nothing', () => {
  const [first, second] = [
    { usd: 1, seconds: 1 },
    { usd: 2, seconds: 1 },
  ]
  expect(forecast([{ samples: [first], count: 4 }], 4).usd).toEqual({ expected: 4, low: null, high: null })
  const { expected, low, high } = forecast([{ samples: [first, second], count: 4 }], 4).usd
  expect([expected, low]).toEqual([6, 0])
  expect(high).toBeGreaterThan(18)
  expect(forecast([{ samples: [], count: 0 }], 4).usd).toEqual({ expected: 0, low: 0, high: 0 })
})

it('the same question has the same answer', () => {
  const samples = runsOf(randomOf(3), 50)
  expect(forecast([{ samples, count: 100 }], 20)).toEqual(forecast([{ samples, count: 100 }], 20))
})
