import { useInfiniteQuery } from '@tanstack/react-query'
import { useParams } from '@tanstack/react-router'
import { api } from '../../data/api.ts'
import { useNow } from '../../data/clock.ts'
import { keys } from '../../data/keys.ts'
import { useTitle } from '../../data/title.ts'
import { Problem } from '../../parts/problem.tsx'
import { statusOfRun } from '../../parts/status-of-run.ts'
import { agoText } from '../../text/ago.ts'
import { usdText } from '../../text/cost.ts'
import { durationText } from '../../text/duration.ts'
import { Button } from '../../ui/button.tsx'
import { Empty } from '../../ui/empty.tsx'
import { Status } from '../../ui/status.tsx'

/** The runs of a collection, or of one of its tasks. */
export const RunsPage = () => {
  const { collection = '', task } = useParams({ strict: false })
  const now = useNow()
  useTitle(task, collection, 'Runs')
  const list = useInfiniteQuery({
    queryKey: keys.runs(collection, task, {}),
    initialPageParam: '',
    queryFn: ({ pageParam, signal }) =>
      api.listCollectionRuns({
        params: { collection },
        query: { cursor: pageParam, ...(task === undefined ? {} : { task: [task] }) },
        signal,
      }),
    getNextPageParam: (last) => last.next_cursor ?? undefined,
  })
  const runs = list.data?.pages.flatMap((page) => page.runs) ?? []
  return (
    <main className="min-h-0 flex-1 overflow-auto">
      <h1 className="sr-only">Runs of {task ?? collection}</h1>
      {list.error && <Problem error={list.error} onRetry={() => void list.refetch()} />}
      {list.isSuccess && runs.length === 0 && (
        <Empty title="Nothing has run yet" command={`jetty run ${collection}/${task ?? 'my-task'}`} />
      )}
      <ul className="divide-y divide-line">
        {runs.map((run) => (
          <li key={run.workflow_id} className="flex h-9 items-center gap-4 px-3">
            <span className="w-28">
              <Status of={statusOfRun(run)} />
            </span>
            <span className="font-mono text-12">{run.trajectory_id}</span>
            <span className="min-w-0 flex-1 truncate">{task === undefined && run.task}</span>
            <span className="text-muted">{agoText(run.created, now)}</span>
            <span className="w-20 text-right">{durationText(run.duration_seconds)}</span>
            <span className="w-20 text-right">{usdText(run.cost_usd)}</span>
          </li>
        ))}
      </ul>
      {list.hasNextPage && <Button onClick={() => void list.fetchNextPage()}>Go on</Button>}
    </main>
  )
}
