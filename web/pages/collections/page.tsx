import { useQuery } from '@tanstack/react-query'
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { Suspense } from 'react'
import type { CollectionSummary } from '../../../src/model/collections/collection.ts'
import { api } from '../../data/api.ts'
import { useTitle } from '../../data/browser.ts'
import { useNow } from '../../data/clock.ts'
import { keys } from '../../data/keys.ts'
import { lazyPart } from '../../data/server-away.ts'
import { useMayWrite } from '../../data/whoami.ts'
import { ListFrame } from '../../parts/list-frame.tsx'
import { RunNumbers } from '../../parts/run-numbers.tsx'
import { SortedList } from '../../parts/sorted-list/sorted-list.tsx'
import { costText, countText } from '../../text/numbers.ts'
import { agoText } from '../../text/times.ts'
import { Button } from '../../ui/button.tsx'
import { Empty } from '../../ui/empty.tsx'

/** It comes when somebody makes one. */
const NewCollection = lazyPart(async () => ({ default: (await import('./new-collection.tsx')).NewCollection }))

/** All collections that the session covers, with what goes on in each. */
export const CollectionsPage = () => {
  const list = useQuery({
    queryKey: [...keys.collections, 'summary'],
    queryFn: ({ signal }) => api.listCollections({ query: { view: 'summary', limit: 500 }, signal }),
  })
  const collections = list.data ?? []
  const mayWrite = useMayWrite()
  const navigate = useNavigate()
  const search = useSearch({ strict: false }) as { new?: unknown }
  const isAdding = search.new === 'collection'
  const setAdding = (isOpen: boolean) =>
    void navigate({ to: '/', search: (isOpen ? { new: 'collection' } : {}) as never, replace: true })
  useTitle('Collections')
  return (
    <main data-scroll-restoration-id="page" className="min-h-0 flex-1 overflow-auto">
      <div className="mx-auto max-w-240 px-4 py-6">
        <div className="mb-4 flex flex-wrap items-baseline gap-x-4 gap-y-1">
          <h1 className="flex-1 font-semibold text-20">Collections</h1>
          <span className="flex items-center gap-4 text-accent">
            <Link to="/-/playground">Playground</Link>
            <Link to="/-/approvals">Approvals</Link>
            <a href="/docs">Documentation</a>
            {mayWrite && (
              <Button icon="plus" onClick={() => setAdding(true)}>
                New collection
              </Button>
            )}
          </span>
        </div>
        <ListFrame
          list={list}
          count={collections.length}
          empty={
            <Empty title="No collection yet" command="jetty collections create acme">
              A collection holds tasks, their runs and their secrets. This key covers none; create one, or ask for a key
              that covers yours.
            </Empty>
          }
        >
          <CollectionList collections={collections} />
        </ListFrame>
        <Suspense>{isAdding && <NewCollection onClose={() => setAdding(false)} />}</Suspense>
      </div>
    </main>
  )
}

/** Classes of the columns of numbers: wide enough for their heads. */
const grid = 'grid-cols-[minmax(10rem,1fr)_minmax(8rem,14rem)_6rem_6rem]'

const CollectionList = ({ collections }: { collections: readonly CollectionSummary[] }) => {
  const now = useNow()
  return (
    <SortedList
      noun="collections"
      rows={collections}
      keyOf={({ id }) => id}
      hrefOf={({ name }) => `/${encodeURIComponent(name)}`}
      textOf={({ name, description }) => `${name} ${description ?? ''}`}
      grid={grid}
      first={{ by: 'Name', direction: 'asc' }}
      columns={[
        {
          name: 'Name',
          by: ({ name }) => name,
          cell: ({ name, tasks, description }) => (
            <>
              <span className="block truncate font-medium">{name}</span>
              <span className="block truncate text-12 text-muted">
                {tasks === 1 ? '1 task' : `${countText(tasks)} tasks`}
                {description ? ` · ${description}` : ''}
              </span>
            </>
          ),
        },
        { name: 'Runs', by: ({ runs }) => runs.total, isNumber: true, cell: ({ runs }) => <RunNumbers runs={runs} /> },
        {
          name: 'Cost, 7 days',
          by: ({ cost_usd_7_days: cost, model_calls_7_days: calls }) => (calls > 0 ? cost : null),
          isNumber: true,
          className: 'text-12',
          cell: ({ cost_usd_7_days: cost, model_calls_7_days: calls }) => (
            <span title="Model calls of the last 7 days, as far as their cost is known">
              {costText(cost, calls > 0)}
            </span>
          ),
        },
        {
          name: 'Last run',
          by: ({ runs }) => (runs.last ? Date.parse(runs.last.created) : null),
          isNumber: true,
          className: 'text-12 text-faint max-md:ml-auto',
          cell: ({ runs }) => runs.last && agoText(runs.last.created, now),
        },
      ]}
    />
  )
}
