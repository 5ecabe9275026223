import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import type { CollectionSummary } from '../../../src/model/collections/collection.ts'
import { api } from '../../data/api.ts'
import { useNow } from '../../data/clock.ts'
import { keys } from '../../data/keys.ts'
import { useTitle } from '../../data/title.ts'
import { Problem } from '../../parts/problem.tsx'
import { RunNumbers } from '../../parts/run-numbers.tsx'
import { agoText } from '../../text/ago.ts'
import { usdText } from '../../text/cost.ts'
import { countText } from '../../text/count.ts'
import { Empty } from '../../ui/empty.tsx'

/** All collections that the session covers, with what goes on in each. */
export const CollectionsPage = () => {
  const list = useQuery({
    queryKey: [...keys.collections, 'summary'],
    queryFn: ({ signal }) => api.listCollections({ query: { view: 'summary', limit: 500 }, signal }),
  })
  useTitle('Collections')
  return (
    <main data-scroll-restoration-id="page" className="min-h-0 flex-1 overflow-auto">
      <div className="mx-auto max-w-240 px-4 py-6">
        <div className="mb-4 flex flex-wrap items-baseline gap-x-4 gap-y-1">
          <h1 className="flex-1 font-semibold text-20">Collections</h1>
          <span className="flex gap-4 text-accent">
            <Link to="/-/playground">Playground</Link>
            <Link to="/-/approvals">Approvals</Link>
            <a href="/docs">Documentation</a>
          </span>
        </div>
        {list.error && <Problem error={list.error} onRetry={() => void list.refetch()} />}
        {list.data?.length === 0 && (
          <Empty title="No collection yet" command="jetty collections create acme">
            A collection holds tasks, their runs and their secrets. This key covers none; create one, or ask for a key
            that covers yours.
          </Empty>
        )}
        <p className="flex gap-6 px-2 text-11 text-muted max-md:hidden" aria-hidden>
          <span className="flex-1" />
          <span>Runs</span>
          <span className="w-20 text-right">Cost, 7 days</span>
          <span className="w-24 text-right">Last run</span>
        </p>
        <ul className="divide-y divide-line">
          {list.data?.map((collection) => (
            <Row key={collection.id} collection={collection} />
          ))}
        </ul>
      </div>
    </main>
  )
}

const Row = ({ collection }: { collection: CollectionSummary }) => {
  const now = useNow()
  const { name, description, tasks, runs, cost_usd_7_days: cost } = collection
  return (
    <li>
      <Link
        to="/$collection"
        params={{ collection: name }}
        className="flex flex-wrap items-center gap-x-6 gap-y-1 px-2 py-2.5 hover:bg-sunk"
      >
        <span className="min-w-40 flex-1 max-sm:basis-full">
          <span className="block truncate font-medium">{name}</span>
          <span className="block truncate text-12 text-muted">
            {tasks === 1 ? '1 task' : `${countText(tasks)} tasks`}
            {description ? ` · ${description}` : ''}
          </span>
        </span>
        <RunNumbers runs={runs} />
        <span
          className={`w-20 text-right text-12 max-md:w-auto ${cost > 0 ? '' : 'max-md:hidden'}`}
          title="Model calls of the last 7 days, as far as their cost is known"
        >
          {cost > 0 ? usdText(cost) : '–'}
        </span>
        <span className="w-24 text-right text-12 text-faint max-sm:ml-auto max-md:w-auto">
          {runs.last && agoText(runs.last.created, now)}
        </span>
      </Link>
    </li>
  )
}
