import { useQuery } from '@tanstack/react-query'
import type { ListedWorker } from '../../../../src/model/workers/worker.ts'
import { api } from '../../../data/api.ts'
import { useNow } from '../../../data/clock.ts'
import { ListFrame } from '../../../parts/list-frame.tsx'
import { SortedList } from '../../../parts/sorted-list/sorted-list.tsx'
import { agoText, momentText } from '../../../text/times.ts'
import { Badge } from '../../../ui/badge.tsx'
import { Empty } from '../../../ui/empty.tsx'
import { CommandLines, SettingsHeading } from '../frame.tsx'

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
      <ListFrame
        list={found}
        count={workers.length}
        empty={
          <Empty title="No worker polls for jobs" command="jetty keys create acme --name box --worker">
            A worker is a program in any language. The guide “Write a step in your own language” has one to begin with.
          </Empty>
        }
      >
        <WorkerList workers={workers} />
      </ListFrame>
      {found.data?.has_more && <p className="text-12 text-muted">The newest {mostListed} are shown.</p>}
      <CommandLines lines={['jetty workers ls --all', 'jetty workers stop <id>']} />
    </>
  )
}

const WorkerList = ({ workers }: { workers: readonly ListedWorker[] }) => {
  const now = useNow()
  return (
    <SortedList
      noun="workers"
      rows={workers}
      keyOf={(one) => one.worker_id}
      textOf={({ name, labels, activities, collections }) =>
        [name, ...labels, ...activities.map((one) => one.name), ...(collections ?? [])].join(' ')
      }
      grid="grid-cols-[minmax(14rem,1fr)_6rem_6rem_7rem]"
      first={{ by: 'Seen', direction: 'desc' }}
      columns={[
        { name: 'Name', by: ({ name }) => name, cell: (worker) => <WorkerName of={worker} /> },
        {
          name: 'Jobs',
          by: ({ jobs }) => jobs,
          isNumber: true,
          className: 'text-12 tabular-nums',
          cell: ({ jobs, concurrency }) => `${jobs} of ${concurrency}`,
        },
        { name: 'State', by: ({ state }) => state, className: 'text-12', cell: ({ state }) => state },
        {
          name: 'Seen',
          by: ({ seen_at: at }) => Date.parse(at),
          isNumber: true,
          className: 'text-12 text-muted',
          cell: ({ seen_at: at }) => <span title={momentText(at)}>{agoText(at, now)}</span>,
        },
      ]}
    />
  )
}

const WorkerName = ({ of: { name, version, labels, activities, collections } }: { of: ListedWorker }) => (
  <>
    <span className="flex flex-wrap items-center gap-2 font-medium">
      <span className="min-w-0 break-words">{name}</span>
      {version && <span className="text-12 text-muted">{version}</span>}
      {labels.map((label) => (
        <Badge key={label}>{label}</Badge>
      ))}
    </span>
    <span className="block break-words text-12 text-muted">
      {activities.map((one) => one.name).join(', ')}
      {` · ${collections === null ? 'all collections' : collections.join(', ')}`}
    </span>
  </>
)

export default WorkersPage
