import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { api } from '../../../data/api.ts'
import { useNow } from '../../../data/clock.ts'
import { useTitle } from '../../../data/title.ts'
import { ShareBar } from '../../../parts/chart/share-bar.tsx'
import { Problem } from '../../../parts/problem.tsx'
import { agoText } from '../../../text/ago.ts'
import { usdText } from '../../../text/cost.ts'
import { countText } from '../../../text/count.ts'
import { durationText } from '../../../text/duration.ts'
import { Empty } from '../../../ui/empty.tsx'
import { StatusMark } from '../../../ui/status.tsx'
import type { TaskPlaceProps } from '../place.ts'
import { byVersion } from './by-version.ts'
import { DailyCharts, Figure } from './daily-charts.tsx'
import { rateText, statusesInWords, statusParts } from './status-parts.ts'

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
