import { expect, test } from 'vitest'
import { type Backoff, backoffMs } from './backoff.ts'

const pauses = (backoff: Backoff, failures: number[]) => failures.map((count) => backoffMs(count, backoff))

test('pauses grow by the factor, up to the longest', () => {
  expect(pauses({ firstMs: 20, longestMs: 100 }, [1, 2, 3, 4, 5_000])).toEqual([20, 40, 80, 100, 100])
  expect(pauses({ firstMs: 500, factor: 4 }, [1, 2, 3])).toEqual([500, 2_000, 8_000])
  expect(pauses({ firstMs: 0, factor: 10 }, [1, 5_000])).toEqual([0, 0])
})

test('jitter spreads them', () => {
  const spread = Array.from({ length: 1_000 }, () => backoffMs(2, { firstMs: 100, jitter: 0.2 }))
  expect(Math.min(...spread)).toBeGreaterThanOrEqual(160)
  expect(Math.max(...spread)).toBeLessThanOrEqual(240)
  expect(new Set(spread).size).toBeGreaterThan(900)
})

test('who asks for a pause gets it', () => {
  expect(backoffMs(9, { firstMs: 100 }, 0.5)).toBe(500)
})
