import { expect, test } from 'vitest'
import { byCost, costBars, durationBars, runBars } from './day-bars.ts'

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
