import { useInfiniteQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import type { Batch } from '../../../../src/model/runs/batch.ts'
import type { CollectionRun } from '../../../../src/model/runs/collection-run.ts'
import { api } from '../../../data/api.ts'
import { Problem } from '../../../parts/problem.tsx'
import { Button } from '../../../ui/button.tsx'
import { StatusMark } from '../../../ui/status.tsx'
import type { TaskPlaceProps } from '../place.ts'
import { batchQueries } from './batch-queries.ts'

const pageSize = 20

/** Number of a run's row, counted from 1 as people count; undefined where the run says nothing. */
const rowOf = ({ params }: CollectionRun): number | undefined => {
  const index = (params.batch as { index?: unknown } | undefined)?.index
  return typeof index === 'number' ? index + 1 : undefined
}

/** The rows whose runs failed, each with its error and its run. */
export const FailedRows = ({ place, batch }: { place: TaskPlaceProps; batch: Batch }) => {
  const { collection, task } = place
  const list = useInfiniteQuery({
    queryKey: [...batchQueries.one(place, batch.batch_id), 'failed', batch.counts.failed],
    initialPageParam: '',
    queryFn: ({ pageParam, signal }) =>
      api.listCollectionRuns({
        params: { collection },
        query: { parent_id: batch.batch_id, status: ['failed'], limit: pageSize, cursor: pageParam },
        signal,
      }),
    getNextPageParam: ({ next_cursor: next }) => next,
  })
  const items = new Map(batch.errors.map(({ trajectory_id: id, item_id: item }) => [id, item]))
  const runs = list.data?.pages.flatMap((page) => page.runs) ?? []
  if (list.error) return <Problem error={list.error} onRetry={() => void list.refetch()} />
  return (
    <section aria-label="Failed rows">
      <h3 className="mb-1 font-medium text-12 text-muted">Failed rows</h3>
      <ul className="divide-y divide-line">
        {runs.map((run) => (
          <li key={run.trajectory_id} className="flex flex-wrap items-start gap-x-3 py-1">
            <StatusMark of="failed" className="mt-0.5" />
            <span className="w-16 shrink-0 text-muted tabular-nums">row {rowOf(run) ?? '?'}</span>
            {items.get(run.trajectory_id) && (
              <span className="max-w-40 shrink-0 truncate font-mono text-12">{items.get(run.trajectory_id)}</span>
            )}
            <span className="line-clamp-3 min-w-0 flex-1 break-words max-sm:order-last max-sm:basis-full">
              {run.error}
            </span>
            <Link
              to="/$collection/$task/$id"
              params={{ collection, task, id: run.trajectory_id }}
              className="ml-auto font-mono text-12 text-accent"
            >
              {run.trajectory_id}
            </Link>
          </li>
        ))}
      </ul>
      {list.hasNextPage && (
        <Button look="quiet" icon="down" onClick={() => void list.fetchNextPage()}>
          More
        </Button>
      )}
    </section>
  )
}
