import { useQuery } from '@tanstack/react-query'
import { useParams } from '@tanstack/react-router'
import { useState } from 'react'
import type { DailyStats } from '../../../src/model/runs/daily-stats.ts'
import { api } from '../../data/api.ts'
import { useTitle } from '../../data/browser.ts'
import { Bars, type ChartBar } from '../../parts/chart/bars.tsx'
import { CollectionTabs } from '../../parts/collection-tabs.tsx'
import { PageLink } from '../../parts/page-link.tsx'
import { Problem } from '../../parts/problem.tsx'
import { costText, countText, usdText } from '../../text/numbers.ts'
import { agoText, everyDay, firstDay } from '../../text/times.ts'
import { sessionRows, ValueList } from './lists.tsx'

const barsOf = ({ from, to, rows }: DailyStats, value: (row: DailyStats['rows'][number]) => number): ChartBar[] => {
  const byDay = new Map(rows.map((row) => [row.key, row]))
  return everyDay(from, to).map((day) => {
    const row = byDay.get(day)
    return { label: day.slice(5), values: [row ? value(row) : 0] }
  })
}

const days = 30

const Figure = ({ name, value }: { name: string; value: string }) => (
  <div>
    <dt className="text-12 text-muted">{name}</dt>
    <dd className="font-semibold text-15">{value}</dd>
  </div>
)

/** What a user has cost day by day, and their sessions. */
export const UserPage = () => {
  const { collection = '', user = '' } = useParams({ strict: false })
  const [now] = useState(Date.now)
  useTitle(user, collection)
  const of = useQuery({
    queryKey: ['user', collection, user],
    queryFn: ({ signal }) => api.getUser({ params: { collection, user }, signal }),
  })
  const from = firstDay(days, now)
  const byDay = useQuery({
    queryKey: ['stats', collection, 'user', user, from],
    queryFn: ({ signal }) =>
      api.getCollectionStats({ params: { collection }, query: { label: `user:${user}`, from }, signal }),
  })
  const sessions = useQuery({
    queryKey: ['conversations', collection, user],
    queryFn: ({ signal }) => api.listConversations({ params: { collection }, query: { user, limit: 100 }, signal }),
  })
  const error = of.error ?? byDay.error ?? sessions.error
  return (
    <main data-scroll-restoration-id="page" className="min-h-0 flex-1 overflow-auto">
      <CollectionTabs collection={collection} current="users" />
      <div className="mx-auto flex max-w-240 flex-col gap-6 px-4 py-6">
        <h1 className="wrap-anywhere font-semibold text-20">{user}</h1>
        {error && <Problem error={error} onRetry={() => void of.refetch()} />}
        {of.data && (
          <dl className="grid grid-cols-2 gap-4 sm:grid-cols-5">
            <Figure name="Cost" value={costText(of.data.cost_usd, of.data.calls > 0)} />
            <Figure name="Tokens" value={countText(of.data.tokens)} />
            <Figure name="Model calls" value={countText(of.data.calls)} />
            <Figure name="Runs" value={countText(of.data.runs)} />
            <Figure name="Last seen" value={agoText(of.data.last_at, now)} />
          </dl>
        )}
        {of.data && (
          <p>
            <PageLink
              href={`/${encodeURIComponent(collection)}/-/runs?label=${encodeURIComponent(`user:${user}`)}`}
              className="text-accent hover:underline"
            >
              Runs of this user
            </PageLink>
          </p>
        )}
        {byDay.data && byDay.data.totals.calls > 0 && (
          <div className="grid gap-6 lg:grid-cols-2">
            <Bars
              title={`Cost, the last ${days} days`}
              series={[{ name: 'cost', fill: 'fill-run' }]}
              bars={barsOf(byDay.data, (row) => row.cost_usd)}
              text={usdText}
            />
            <Bars
              title="Model calls"
              series={[{ name: 'calls', fill: 'fill-ok' }]}
              bars={barsOf(byDay.data, (row) => row.calls)}
              text={countText}
            />
          </div>
        )}
        {sessions.data && sessions.data.conversations.length > 0 && (
          <section aria-labelledby="sessions" className="flex flex-col gap-2">
            <h2 id="sessions" className="font-semibold text-15">
              Sessions
            </h2>
            <ValueList noun="Session" rows={sessionRows(collection, sessions.data.conversations)} />
          </section>
        )}
      </div>
    </main>
  )
}
