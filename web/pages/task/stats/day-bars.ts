import type { DailyStats } from '../../../../src/model/runs/daily-stats.ts'
import type { BarSeries, ChartBar } from '../../../parts/chart/bars.tsx'
import { everyDay } from '../../../text/days.ts'

type Row = DailyStats['rows'][number]
type Window = Pick<DailyStats, 'from' | 'to' | 'rows'>

/** `2026-11-28` as `11-28`: the year stands in the title. */
const shortDay = (day: string): string => day.slice(5)

const barsOf = ({ from, to, rows }: Window, valuesOf: (row: Row | undefined) => (number | null)[]): ChartBar[] => {
  const byDay = new Map(rows.map((row) => [row.key, row]))
  return everyDay(from, to).map((day) => ({ label: shortDay(day), values: valuesOf(byDay.get(day)) }))
}

export const runSeries: BarSeries[] = [
  { name: 'completed', fill: 'fill-ok' },
  { name: 'failed', fill: 'fill-bad' },
  { name: 'cancelled', fill: 'fill-idle' },
]

/** Ended runs of each day by status. */
export const runBars = (stats: Window): ChartBar[] =>
  barsOf(stats, (row) => {
    const { completed = 0, failed = 0, cancelled = 0 } = row?.runs?.by_status ?? {}
    return [completed, failed, cancelled]
  })

export const durationSeries: BarSeries[] = [
  { name: 'median', fill: 'fill-run' },
  { name: 'up to the 95th percentile', fill: 'fill-edge' },
]

/** How long the runs of each day took: half of them, and what 95 of 100 took beyond that. */
export const durationBars = (stats: Window): ChartBar[] =>
  barsOf(stats, (row) => {
    const [half, most] = [row?.p50_duration_seconds ?? null, row?.p95_duration_seconds ?? null]
    return [half, half === null || most === null ? null : Math.max(0, most - half)]
  })

/** What the model calls of each day cost, in US dollars. */
export const costBars = (stats: Window): ChartBar[] => barsOf(stats, (row) => [row?.cost_usd ?? 0])

/** Rows that cost most first. */
export const byCost = (rows: readonly Row[]): Row[] =>
  [...rows].sort((one, other) => other.cost_usd - one.cost_usd || other.calls - one.calls)
