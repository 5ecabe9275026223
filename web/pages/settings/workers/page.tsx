import { useQuery } from '@tanstack/react-query'
import type { ListedWorker } from '../../../../src/model/workers/worker.ts'
import { api } from '../../../data/api.ts'
import { useNow } from '../../../data/clock.ts'
import { Problem } from '../../../parts/problem.tsx'
import { agoText } from '../../../text/ago.ts'
import { Badge } from '../../../ui/badge.tsx'
import { Empty } from '../../../ui/empty.tsx'
import { CommandLines } from '../command-lines.tsx'
import { SettingsHeading } from '../heading.tsx'

/** How often the page asks again while it is looked at. */
const refreshMs = 5_000
const mostListed = '100'

/** Programs on other machines that carry out steps: who polls, and what each does. */
const WorkersPage = () => {
  const found = useQuery({
    queryKey: ['workers'],
    queryFn: ({ signal }) => api.listWorkers({ query: { state: 'all', limit: mostListed }, signal }),
    refetchInterval: refreshMs,
    refetchIntervalInBackground: false,
  })
  const workers = found.data?.workers ?? []
  return (
    <>
      <SettingsHeading title="Workers">
        Programs of yours that carry out steps: each polls for jobs of the activities that it offers. Those that are
        gone are shown for a day.
      </SettingsHeading>
      {found.error && <Problem error={found.error} onRetry={() => void found.refetch()} />}
      {found.isSuccess && workers.length === 0 && (
        <Empty title="No worker polls for jobs" command="jetty keys create acme --name box --worker">
          A worker is a program in any language. The guide “Write a step in your own language” has one to begin with.
        </Empty>
      )}
      {workers.length > 0 && (
        <ul aria-label="Workers" className="divide-y divide-line border-line border-y">
          {workers.map((one) => (
            <WorkerLine key={one.worker_id} of={one} />
          ))}
        </ul>
      )}
      {found.data?.has_more && <p className="text-12 text-muted">The newest {mostListed} are shown.</p>}
      <CommandLines lines={['jetty workers ls --all', 'jetty workers stop <id>']} />
    </>
  )
}

const WorkerLine = ({ of }: { of: ListedWorker }) => {
  const now = useNow()
  const { name, version, state, labels, jobs, concurrency, activities, collections, seen_at: seenAt } = of
  return (
    <li className="flex flex-wrap items-center gap-x-6 gap-y-1 py-2.5">
      <div className="min-w-48 flex-1">
        <p className="flex flex-wrap items-center gap-2 font-medium">
          <span className="min-w-0 break-words">{name}</span>
          {version && <span className="text-12 text-muted">{version}</span>}
          {labels.map((label) => (
            <Badge key={label}>{label}</Badge>
          ))}
        </p>
        <p className="break-words text-12 text-muted">
          {activities.map((one) => one.name).join(', ')}
          {` · ${collections === null ? 'all collections' : collections.join(', ')}`}
        </p>
      </div>
      <p className="text-12 tabular-nums">
        {jobs} of {concurrency} jobs
      </p>
      <p className={`min-w-40 text-12 ${state === 'online' ? '' : 'text-muted'}`}>
        {state}, seen {agoText(seenAt, now)}
      </p>
    </li>
  )
}

export default WorkersPage
