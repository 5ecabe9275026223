import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import type { CollectionRun } from '../../../../src/model/runs/collection-run.ts'
import type { DailyStats } from '../../../../src/model/runs/daily-stats.ts'
import { api } from '../../../data/api.ts'
import { useTitle } from '../../../data/browser.ts'
import { useNow } from '../../../data/clock.ts'
import { type BarSeries, Bars, type ChartBar } from '../../../parts/chart/bars.tsx'
import { type BarPart, ShareBar } from '../../../parts/chart/share-bar.tsx'
import { Problem } from '../../../parts/problem.tsx'
import { costText, countText, usdText } from '../../../text/numbers.ts'
import { agoText, durationText, everyDay, firstDay } from '../../../text/times.ts'
import { Empty } from '../../../ui/empty.tsx'
import { SelectField } from '../../../ui/field.tsx'
import { StatusMark } from '../../../ui/status.tsx'
import type { TaskPlaceProps } from '../use-task.ts'

const fills: Partial<Record<string, string>> = { completed: 'fill-ok', failed: 'fill-bad', running: 'fill-run' }

/** One part of a bar for each status that runs have. */
export const statusParts = (byStatus: Readonly<Record<string, number>>): BarPart[] =>
  Object.entries(byStatus)
    .filter(([, count]) => count > 0)
    .map(([name, count]) => ({ name, count, fill: fills[name] ?? 'fill-idle' }))

/** The numbers in words: `2 completed, 1 failed`. */
export const statusesInWords = (byStatus: Readonly<Record<string, number>>): string =>
  statusParts(byStatus)
    .map(({ name, count }) => `${count} ${name}`)
    .join(', ')

/** The share of completed runs among those that completed or failed. */
export const rateText = ({ completed = 0, failed = 0 }: Readonly<Record<string, number>>): string => {
  if (completed + failed === 0) return '–'
  const percent = (completed / (completed + failed)) * 100
  // 99.96 % is not all of them.
  return failed > 0 && percent > 99.9 ? '> 99.9 %' : `${Number(percent.toFixed(1))} %`
}

type Row = DailyStats['rows'][number]
type Window = Pick<DailyStats, 'from' | 'to' | 'rows'>

/** `2026-11-28` as `11-28`: the year stands in the title. */
const shortDay = (day: string): string => day.slice(5)

const barsOf = ({ from, to, rows }: Window, valuesOf: (row: Row | undefined) => (number | null)[]): ChartBar[] => {
  const byDay = new Map(rows.map((row) => [row.key, row]))
  return everyDay(from, to).map((day) => ({ label: shortDay(day), values: valuesOf(byDay.get(day)) }))
}

const runSeries: BarSeries[] = [
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

const durationSeries: BarSeries[] = [
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

/** A number with its name. */
const Figure = ({ name, value }: { name: string; value: string }) => (
  <div>
    <dt className="text-12 text-muted">{name}</dt>
    <dd className="font-semibold text-15">{value}</dd>
  </div>
)

const mostModels = 50

/** What the models cost that a task has called, the dearest first. */
const ModelTable = ({ rows }: { rows: DailyStats['rows'] }) => (
  <section>
    <h3 className="mb-2 font-medium text-12 text-muted">By model</h3>
    <div className="overflow-x-auto">
      <table className="w-full min-w-100">
        <thead className="text-left text-11 text-muted">
          <tr>
            <th className="py-1 font-medium">Model</th>
            <th className="py-1 text-right font-medium">Calls</th>
            <th className="py-1 text-right font-medium">Tokens</th>
            <th className="py-1 text-right font-medium">Cost</th>
          </tr>
        </thead>
        <tbody className="divide-y divide-line">
          {byCost(rows)
            .slice(0, mostModels)
            .map(({ key, calls, tokens, cost_usd: cost }) => (
              <tr key={key}>
                <td className="py-1 font-mono text-12">{key}</td>
                <td className="py-1 text-right">{countText(calls)}</td>
                <td className="py-1 text-right">{countText(tokens)}</td>
                <td className="py-1 text-right">{usdText(cost)}</td>
              </tr>
            ))}
        </tbody>
      </table>
    </div>
  </section>
)

const ranges = [
  ['7', 'last 7 days'],
  ['30', 'last 30 days'],
  ['90', 'last 90 days'],
] as const

/** How the runs of a task went, day by day, and what which model cost. */
const DailyCharts = ({ collection, task }: TaskPlaceProps) => {
  const [days, setDays] = useState('30')
  const [now] = useState(Date.now)
  const from = firstDay(Number(days), now)
  const ask = (by: 'day' | 'model') => ({
    queryKey: ['stats', collection, task, by, from],
    queryFn: ({ signal }: { signal: AbortSignal }) =>
      api.getCollectionStats({ params: { collection }, query: { task: [task], by, from }, signal }),
  })
  const byDay = useQuery(ask('day'))
  const byModel = useQuery(ask('model'))
  const error = byDay.error ?? byModel.error
  return (
    <section aria-labelledby="days" className="flex flex-col gap-6">
      <div className="flex flex-wrap items-center gap-3">
        <h2 id="days" className="mr-auto font-semibold text-15">
          Day by day
          {byDay.data && (
            <span className="ml-2 font-normal text-12 text-muted">
              {byDay.data.from} to {byDay.data.to} (UTC)
            </span>
          )}
        </h2>
        <SelectField
          label="Days"
          hidesLabel
          value={days}
          onChange={(event) => setDays(event.target.value)}
          options={ranges}
        />
      </div>
      {error && <Problem error={error} onRetry={() => void byDay.refetch()} />}
      {byDay.data && <DayCharts stats={byDay.data} />}
      {byModel.data && byModel.data.rows.length > 0 && <ModelTable rows={byModel.data.rows} />}
    </section>
  )
}

type Stats = Awaited<ReturnType<typeof api.getCollectionStats>>

const DayCharts = ({ stats }: { stats: Stats }) => {
  const { runs, cost_usd: cost, tokens, calls, p50_duration_seconds: p50, p95_duration_seconds: p95 } = stats.totals
  if ((runs?.total ?? 0) === 0 && calls === 0) return <p className="text-muted">Nothing ended on these days.</p>
  return (
    <>
      <dl className="grid grid-cols-2 gap-4 sm:grid-cols-6">
        <Figure name="Ended runs" value={countText(runs?.total ?? 0)} />
        <Figure name="Completed" value={rateText(runs?.by_status ?? {})} />
        <Figure name="Median" value={durationText(p50)} />
        <Figure name="95th percentile" value={durationText(p95)} />
        <Figure name="Cost" value={costText(cost, calls > 0)} />
        <Figure name="Tokens" value={countText(tokens)} />
      </dl>
      <div className="grid gap-6 lg:grid-cols-2">
        <Bars title="Ended runs" series={runSeries} bars={runBars(stats)} text={countText} />
        <Bars title="Duration" series={durationSeries} bars={durationBars(stats)} text={durationText} />
        {calls > 0 && (
          <Bars title="Cost" series={[{ name: 'cost', fill: 'fill-run' }]} bars={costBars(stats)} text={usdText} />
        )}
      </div>
    </>
  )
}

type CountedRun = Pick<
  CollectionRun,
  'version_number' | 'status' | 'started' | 'ended' | 'cost_usd' | 'tokens' | 'duration_seconds'
>

/** What the runs of one version came to. */
interface VersionFigures {
  /** Null: the version is gone. */
  version: number | null
  runs: number
  completed: number
  failed: number
  /** Of completed runs, in seconds; null without any. */
  p50: number | null
  p95: number | null
  /** US dollars of runs with a known cost; null when none is known. */
  cost: number | null
  tokens: number
}

/** The value that a part of a sorted list does not exceed; null for an empty list. */
export const percentile = (sorted: readonly number[], part: number): number | null =>
  sorted[Math.max(0, Math.ceil(sorted.length * part) - 1)] ?? null

const figuresOf = (version: number | null, runs: readonly CountedRun[]): VersionFigures => {
  const count = (status: string) => runs.filter((run) => run.status === status).length
  const durations = runs
    .filter(({ status }) => status === 'completed')
    .flatMap(({ duration_seconds: seconds }) => (seconds === null ? [] : [seconds]))
    .sort((one, other) => one - other)
  const costs = runs.flatMap(({ cost_usd: usd }) => (usd === null ? [] : [usd]))
  return {
    version,
    runs: runs.length,
    completed: count('completed'),
    failed: count('failed'),
    p50: percentile(durations, 0.5),
    p95: percentile(durations, 0.95),
    cost: costs.length === 0 ? null : costs.reduce((sum, usd) => sum + usd, 0),
    tokens: runs.reduce((sum, run) => sum + (run.tokens ?? 0), 0),
  }
}

/** Groups runs by the version that they executed, the newest version first. */
export const byVersion = (runs: readonly CountedRun[]): VersionFigures[] => {
  const groups = new Map<number | null, CountedRun[]>()
  for (const run of runs) {
    const group = groups.get(run.version_number)
    if (group) group.push(run)
    else groups.set(run.version_number, [run])
  }
  return [...groups]
    .sort(([one], [other]) => (other ?? -1) - (one ?? -1))
    .map(([version, group]) => figuresOf(version, group))
}

/** How many runs are looked at: one page of the list. */
const lastRuns = 500

const right = 'py-1 pl-4 text-right'

/** How the last runs of each version went. */
const VersionTable = ({ collection, task }: TaskPlaceProps) => {
  const { data } = useQuery({
    queryKey: ['stats', collection, task, 'versions'],
    queryFn: ({ signal }) =>
      api.listCollectionRuns({ params: { collection }, query: { task: [task], limit: lastRuns }, signal }),
  })
  const rows = byVersion(data?.runs ?? [])
  if (rows.length === 0) return null
  return (
    <section aria-labelledby="versions">
      <h2 id="versions" className="mb-2 font-semibold text-15">
        By version
        <span className="ml-2 font-normal text-12 text-muted">
          {data?.has_more ? `the last ${lastRuns} runs` : 'all runs'}
        </span>
      </h2>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls by keyboard */}
      <div className="overflow-x-auto" tabIndex={0} role="group" aria-label="Table of versions">
        <table className="w-full min-w-120">
          <thead className="text-left text-11 text-muted">
            <tr>
              <th className="py-1 font-medium">Version</th>
              <th className={`${right} font-medium`}>Runs</th>
              <th className={`${right} font-medium`}>Completed</th>
              <th className={`${right} font-medium`}>Median</th>
              <th className={`${right} font-medium`}>95th percentile</th>
              <th className={`${right} font-medium`}>Cost</th>
              <th className={`${right} font-medium`}>Tokens</th>
            </tr>
          </thead>
          <tbody className="divide-y divide-line">
            {rows.map(({ version, runs, completed, failed, p50, p95, cost, tokens }) => (
              <tr key={version ?? 'gone'}>
                <td className="py-1">
                  {version === null ? (
                    <span className="text-muted">unknown</span>
                  ) : (
                    <Link
                      to="/$collection/$task"
                      params={{ collection, task }}
                      search={{ tab: 'versions', version }}
                      className="text-accent"
                    >
                      v{version}
                    </Link>
                  )}
                </td>
                <td className={right}>{countText(runs)}</td>
                <td className={right}>{rateText({ completed, failed })}</td>
                <td className={right}>{durationText(p50)}</td>
                <td className={right}>{durationText(p95)}</td>
                <td className={right}>{cost === null ? '–' : usdText(cost)}</td>
                <td className={right}>{tokens === 0 ? '–' : countText(tokens)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  )
}

interface StepStats {
  count: number
  failed: number
  avg_duration_seconds: number
}

const mostRows = 100

/** Steps of all runs of a task, those that fail most first. */
const StepTable = ({ steps }: { steps: Readonly<Record<string, StepStats>> }) => {
  const rows = Object.entries(steps).sort(
    ([, one], [, other]) => other.failed - one.failed || other.avg_duration_seconds - one.avg_duration_seconds,
  )
  if (rows.length === 0) return null
  return (
    <section>
      <h2 className="mb-2 font-semibold text-15">Steps of all runs</h2>
      <div className="overflow-x-auto">
        <table className="w-full min-w-100">
          <thead className="text-left text-11 text-muted">
            <tr>
              <th className="py-1 font-medium">Step</th>
              <th className="py-1 text-right font-medium">Ended</th>
              <th className="py-1 text-right font-medium">Failed</th>
              <th className="py-1 text-right font-medium">Average duration</th>
            </tr>
          </thead>
          <tbody className="divide-y divide-line">
            {rows.slice(0, mostRows).map(([name, { count, failed, avg_duration_seconds: seconds }]) => (
              <tr key={name}>
                <td className="py-1">{name}</td>
                <td className="py-1 text-right">{countText(count)}</td>
                <td className="py-1 text-right">{failed === 0 ? '–' : countText(failed)}</td>
                <td className="py-1 text-right">{durationText(seconds)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  )
}

/** How a task has run. */
const StatsTab = ({ collection, task }: TaskPlaceProps) => {
  useTitle('Statistics', task, collection)
  const now = useNow()
  const stats = useQuery({
    queryKey: ['stats', collection, task],
    queryFn: ({ signal }) => api.getStats({ params: { collection, task }, signal }),
  })
  if (stats.error) return <Problem error={stats.error} onRetry={() => void stats.refetch()} />
  if (!stats.data) return <main className="flex-1" />
  if (stats.data.total === 0) return <Empty title="Nothing has run yet" command={`jetty run ${collection}/${task}`} />
  const { total, by_status, p50_duration_seconds: p50, p95_duration_seconds: p95, last_run, steps } = stats.data
  return (
    <main data-scroll-restoration-id="page" className="min-h-0 flex-1 overflow-auto">
      <div className="mx-auto flex max-w-240 flex-col gap-8 px-4 py-6">
        <h1 className="font-semibold text-20">Statistics of {task}</h1>
        <dl className="grid grid-cols-2 gap-4 sm:grid-cols-5">
          <Figure name="Runs" value={countText(total)} />
          <Figure name="Completed" value={rateText(by_status)} />
          <Figure name="Median" value={durationText(p50)} />
          <Figure name="95th percentile" value={durationText(p95)} />
          <Figure name="Last run" value={agoText(last_run, now)} />
        </dl>
        <section aria-label="Runs by status">
          <p className="mb-1 flex flex-wrap gap-x-4 text-12 text-muted">
            Runs by status
            {statusParts(by_status).map(({ name, count }) => (
              <span key={name} className="inline-flex items-center gap-1">
                <StatusMark of={name} />
                {countText(count)} {name}
              </span>
            ))}
          </p>
          <ShareBar label={statusesInWords(by_status)} total={total} parts={statusParts(by_status)} />
        </section>
        <DailyCharts collection={collection} task={task} />
        <VersionTable collection={collection} task={task} />
        <StepTable steps={steps} />
      </div>
    </main>
  )
}

export default StatsTab
