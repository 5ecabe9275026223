import { useQueries, useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import type { DailyStats } from '../../../src/model/runs/daily-stats.ts'
import { api } from '../../data/api.ts'
import { costText, countText } from '../../text/numbers.ts'
import { firstDay } from '../../text/times.ts'

const days = 30
const mostRows = 50

/** What the values of a label have cost, the dearest first. */
const Totals = ({ name, stats }: { name: string; stats: DailyStats }) => (
  <section aria-label={`By ${name}`} className="mt-6">
    <h2 className="mb-1 font-semibold text-15">
      By {name} <span className="ml-2 font-normal text-12 text-muted">last {days} days</span>
    </h2>
    {stats.rows.length === 0 && <p className="text-muted">No call with this label on these days.</p>}
    <ul className="divide-y divide-line border-line border-y">
      {stats.rows
        .toSorted((one, other) => other.cost_usd - one.cost_usd || other.calls - one.calls)
        .slice(0, mostRows)
        .map(({ key, calls, tokens, cost_usd: cost }) => (
          <li key={key} className="flex gap-4 px-2 py-2">
            <span className="min-w-0 flex-1 truncate font-medium">{key}</span>
            <span className="w-20 shrink-0 text-right">{countText(calls)} calls</span>
            <span className="hidden w-28 shrink-0 text-right sm:block">{countText(tokens)} tokens</span>
            <span className="w-20 shrink-0 text-right">{costText(cost, calls > 0)}</span>
          </li>
        ))}
    </ul>
  </section>
)

/** What the labels have cost that the collection counts beside users and sessions. */
export const LabelTotals = ({ collection }: { collection: string }) => {
  const [now] = useState(Date.now)
  const from = firstDay(days, now)
  const settings = useQuery({
    queryKey: ['counted-labels', collection],
    queryFn: ({ signal }) => api.getCollectionSettings({ params: { collection }, signal }),
  })
  const names = settings.data?.label_totals ?? []
  const found = useQueries({
    queries: names.map((label) => ({
      queryKey: ['stats', collection, 'label', label, from],
      queryFn: ({ signal }: { signal: AbortSignal }) =>
        api.getCollectionStats({ params: { collection }, query: { by: 'label', label, from }, signal }),
    })),
  })
  return found.map(({ data }, at) => data && <Totals key={names[at]} name={names[at] ?? ''} stats={data} />)
}
