import { useQuery } from '@tanstack/react-query'
import { api } from '../../../data/api.ts'
import { useNow } from '../../../data/clock.ts'
import { useTitle } from '../../../data/title.ts'
import { ShareBar } from '../../../parts/chart/share-bar.tsx'
import { Problem } from '../../../parts/problem.tsx'
import { agoText } from '../../../text/ago.ts'
import { countText } from '../../../text/count.ts'
import { durationText } from '../../../text/duration.ts'
import { Empty } from '../../../ui/empty.tsx'
import { StatusMark } from '../../../ui/status.tsx'
import type { TaskPlaceProps } from '../place.ts'
import { DailyCharts } from './daily-charts.tsx'
import { Figure } from './figure.tsx'
import { rateText, statusesInWords, statusParts } from './status-parts.ts'
import { StepTable } from './step-table.tsx'
import { VersionTable } from './version-table.tsx'

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
