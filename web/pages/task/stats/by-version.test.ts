import { expect, test } from 'vitest'
import { byVersion, percentile } from './by-version.ts'

const run = (version: number | null, status: 'completed' | 'failed', seconds: number | null, cost: number | null) => ({
  version_number: version,
  status,
  started: null,
  ended: null,
  duration_seconds: seconds,
  cost_usd: cost,
  tokens: 10,
})

test('versions stand newest first, each with its own figures', () => {
  const runs = [
    run(2, 'completed', 3, 0.5),
    run(1, 'failed', 9, null),
    run(2, 'completed', 1, null),
    run(2, 'failed', 50, 0.25),
    run(null, 'completed', 2, null),
  ]
  expect(byVersion(runs)).toEqual([
    { version: 2, runs: 3, completed: 2, failed: 1, p50: 1, p95: 3, cost: 0.75, tokens: 30 },
    { version: 1, runs: 1, completed: 0, failed: 1, p50: null, p95: null, cost: null, tokens: 10 },
    { version: null, runs: 1, completed: 1, failed: 0, p50: 2, p95: 2, cost: null, tokens: 10 },
  ])
})

test.each([
  [[], 0.5, null],
  [[1], 0.95, 1],
  [[1, 2, 3, 4], 0.5, 2],
  [Array.from({ length: 100 }, (_, at) => at + 1), 0.95, 95],
])('of %j, the part %s is at most %s', (sorted, part, value) => {
  expect(percentile(sorted, part)).toBe(value)
})
