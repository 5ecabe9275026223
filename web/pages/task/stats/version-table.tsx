import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { api } from '../../../data/api.ts'
import { usdText } from '../../../text/cost.ts'
import { countText } from '../../../text/count.ts'
import { durationText } from '../../../text/duration.ts'
import type { TaskPlaceProps } from '../place.ts'
import { byVersion } from './by-version.ts'
import { rateText } from './status-parts.ts'

/** How many runs are looked at: one page of the list. */
const lastRuns = 500

const right = 'py-1 pl-4 text-right'

/** How the last runs of each version went. */
export const VersionTable = ({ collection, task }: TaskPlaceProps) => {
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
