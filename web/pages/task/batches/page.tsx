import { useInfiniteQuery } from '@tanstack/react-query'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { useState } from 'react'
import { api } from '../../../data/api.ts'
import { useTitle } from '../../../data/title.ts'
import { useMayWrite } from '../../../data/whoami.ts'
import { Problem } from '../../../parts/problem.tsx'
import { Button } from '../../../ui/button.tsx'
import { Empty } from '../../../ui/empty.tsx'
import type { TaskPlaceProps } from '../place.ts'
import { BatchList } from './batch-list.tsx'
import { batchQueries, whileAnyOpen } from './batch-queries.ts'
import { BatchView } from './batch-view.tsx'
import { NewBatch } from './new-batch.tsx'

const pageSize = 20

/** Runs of a task for each of many rows. */
const BatchesTab = (place: TaskPlaceProps) => {
  const { collection, task } = place
  useTitle('Batches', task, collection)
  const navigate = useNavigate()
  const mayWrite = useMayWrite()
  const [isNew, setNew] = useState(false)
  const asked = useSearch({ strict: false }).batch
  const list = useInfiniteQuery({
    queryKey: batchQueries.all(place),
    initialPageParam: '',
    queryFn: ({ pageParam, signal }) =>
      api.listBatches({
        params: { collection },
        query: { task, limit: pageSize, ...(pageParam === '' ? {} : { cursor: pageParam }) },
        signal,
      }),
    getNextPageParam: ({ next_cursor: next }) => next,
    refetchInterval: ({ state }) => whileAnyOpen(state.data?.pages.flatMap((page) => page.batches) ?? []),
  })
  const batches = list.data?.pages.flatMap((page) => page.batches) ?? []
  const chosen = asked ?? batches[0]?.batch_id
  const choose = (batch: string) =>
    void navigate({ to: '/$collection/$task', params: place, search: { tab: 'batches', batch }, replace: true })
  if (list.error && !list.data) return <Problem error={list.error} onRetry={() => void list.refetch()} />
  return (
    <main className="min-h-0 flex-1 overflow-auto">
      <div className="mx-auto flex max-w-240 flex-col gap-4 px-4 py-6">
        <div className="flex flex-wrap items-center gap-2">
          <h1 className="mr-auto font-semibold text-20">Batches of {task}</h1>
          <Button icon="plus" disabled={!mayWrite} onClick={() => setNew(true)}>
            New batch
          </Button>
        </div>
        {list.isSuccess && batches.length === 0 && asked === undefined && (
          <Empty title="No batch yet" command={`jetty batch run ${collection}/${task} rows.csv`}>
            A batch runs this task once for each row of a table, and keeps the results together.
          </Empty>
        )}
        {chosen !== undefined && <BatchView key={chosen} place={place} id={chosen} mayWrite={mayWrite} />}
        {batches.length > 0 && (
          <BatchList
            batches={batches}
            chosen={chosen}
            onChoose={choose}
            onMore={list.hasNextPage ? () => void list.fetchNextPage() : undefined}
          />
        )}
        {isNew && (
          <NewBatch
            place={place}
            onClose={() => setNew(false)}
            onStarted={(id) => {
              setNew(false)
              void list.refetch()
              choose(id)
            }}
          />
        )}
      </div>
    </main>
  )
}

export default BatchesTab
