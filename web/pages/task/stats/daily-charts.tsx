import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import type { DailyStats } from '../../../../src/model/runs/daily-stats.ts'
import { api } from '../../../data/api.ts'
import { Bars } from '../../../parts/chart/bars.tsx'
import { Problem } from '../../../parts/problem.tsx'
import { costText, usdText } from '../../../text/cost.ts'
import { countText } from '../../../text/count.ts'
import { firstDay } from '../../../text/days.ts'
import { durationText } from '../../../text/duration.ts'
import { SelectField } from '../../../ui/field.tsx'
import type { TaskPlaceProps } from '../place.ts'
import { byCost, costBars, durationBars, durationSeries, runBars, runSeries } from './day-bars.ts'
import { rateText } from './status-parts.ts'
/** A number with its name. */
export const Figure = ({ name, value }: { name: string; value: string }) => (
  <div>
    <dt className="text-12 text-muted">{name}</dt>
    <dd className="font-semibold text-15">{value}</dd>
  </div>
)

const mostRows = 50

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
            .slice(0, mostRows)
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
export const DailyCharts = ({ collection, task }: TaskPlaceProps) => {
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
