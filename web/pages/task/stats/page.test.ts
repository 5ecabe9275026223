import { expect, test } from 'vitest'
import {
  byCost,
  byVersion,
  costBars,
  durationBars,
  percentile,
  rateText,
  runBars,
  statusesInWords,
  statusParts,
} from './page.tsx'

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

const none = { pending: 0, running: 0, completed: 0, failed: 0, cancelled: 0, archived: 0 }
const row = (key: string, cost: number, runs: Partial<typeof none> | null = {}) => ({
  key,
  runs: runs && { total: 0, by_status: { ...none, ...runs } },
  p50_duration_seconds: runs && 2,
  p95_duration_seconds: runs && 5,
  cost_usd: cost,
  tokens: 0,
  calls: 1,
})
const stats = { from: '2026-11-26', to: '2026-11-28', rows: [row('2026-11-27', 0.5, { completed: 3, failed: 1 })] }

test('every day has a bar, also one without runs', () => {
  expect(runBars(stats)).toEqual([
    { label: '11-26', values: [0, 0, 0] },
    { label: '11-27', values: [3, 1, 0] },
    { label: '11-28', values: [0, 0, 0] },
  ])
  expect(durationBars(stats).map(({ values }) => values)).toEqual([
    [null, null],
    [2, 3],
    [null, null],
  ])
  expect(costBars(stats).map(({ values }) => values)).toEqual([[0], [0.5], [0]])
})

test('what costs most comes first', () => {
  expect(byCost([row('a', 1, null), row('b', 3, null), row('c', 2, null)]).map(({ key }) => key)).toEqual([
    'b',
    'c',
    'a',
  ])
})

test.each([
  [{}, '–'],
  [{ cancelled: 3 }, '–'],
  [{ completed: 3 }, '100 %'],
  [{ completed: 2, failed: 1 }, '66.7 %'],
  [{ completed: 99_999, failed: 1 }, '> 99.9 %'],
])('of %j, %s completed', (counts, text) => {
  expect(rateText(counts)).toBe(text)
})

test('statuses without runs have no part', () => {
  expect(statusParts({ completed: 2, failed: 0 })).toEqual([{ name: 'completed', count: 2, fill: 'fill-ok' }])
  expect(statusesInWords({ completed: 2, failed: 1, running: 0 })).toBe('2 completed, 1 failed')
})
