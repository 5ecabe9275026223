import type { DailyStats } from '../../../src/model/runs/daily-stats.ts'
import { type DayBar, DayBars } from '../../parts/chart/day-bars.tsx'
import { costText } from '../../text/cost.ts'
import { countText } from '../../text/count.ts'
import { everyDay } from '../../text/days.ts'
import { durationText } from '../../text/duration.ts'
import { shareText } from '../../text/share.ts'

const barsOf = ({ from, to, rows }: DailyStats): DayBar[] => {
  const byDay = new Map(rows.map((row) => [row.key, row]))
  return everyDay(from, to).map((day) => {
    const counts = byDay.get(day)?.runs?.by_status
    const [completed, failed, cancelled] = [counts?.completed ?? 0, counts?.failed ?? 0, counts?.cancelled ?? 0]
    return {
      key: day,
      title: `${day}: ${completed} completed, ${failed} failed, ${cancelled} cancelled`,
      parts: [
        { count: completed, className: 'fill-ok' },
        { count: failed, className: 'fill-bad' },
        { count: cancelled, className: 'fill-idle' },
      ],
    }
  })
}

/** What the runs of the last days came to, in figures and as a bar a day. */
export const DayActivity = ({ stats }: { stats: DailyStats }) => {
  const { runs, cost_usd: cost, tokens, p50_duration_seconds: p50, p95_duration_seconds: p95 } = stats.totals
  const { completed = 0, failed = 0 } = runs?.by_status ?? {}
  const figures: [string, string, string?][] = [
    ['Ended runs', countText(runs?.total ?? 0)],
    ['Success', shareText(completed, completed + failed)],
    ['Median', durationText(p50)],
    ['95th percentile', durationText(p95)],
    ['Cost', costText(cost, stats.totals.calls > 0), 'Of model calls with a known price'],
    ['Tokens', countText(tokens)],
  ]
  return (
    <section aria-labelledby="activity">
      <h2 id="activity" className="mb-2 font-semibold text-15">
        Last {barsOf(stats).length} days
      </h2>
      <dl className="mb-3 flex flex-wrap gap-x-8 gap-y-2">
        {figures.map(([name, value, title]) => (
          <div key={name} title={title}>
            <dt className="text-11 text-muted">{name}</dt>
            <dd className="font-medium text-15 tabular-nums">{value}</dd>
          </div>
        ))}
      </dl>
      <DayBars label={`Ended runs a day from ${stats.from} to ${stats.to}`} bars={barsOf(stats)} />
      <p className="mt-1 flex justify-between text-11 text-faint">
        <span>{stats.from}</span>
        <span>{stats.to} (UTC)</span>
      </p>
    </section>
  )
}
