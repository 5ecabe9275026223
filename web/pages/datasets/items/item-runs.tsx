import { useQuery } from '@tanstack/react-query'
import { api } from '../../../data/api.ts'
import { keys } from '../../../data/keys.ts'
import { fileAddress } from '../../../parts/media/media-kind.ts'
import { lineageHref, PageLink, runHref } from '../../../parts/page-link.tsx'
import { Problem } from '../../../parts/problem.tsx'
import { Badge } from '../../../ui/badge.tsx'
import { StatusMark, statusWord } from '../../../ui/status.tsx'
import { type ItemRun, runsOverItem } from './runs-over-item.ts'

interface ItemRunsProps {
  collection: string
  dataset: string
  item: string
}

/** What the server wrote down when it ran tasks over an item: the runs, their scores and files, newest first. */
export const ItemRuns = ({ collection, dataset, item }: ItemRunsProps) => {
  const { data, error, refetch } = useQuery({
    queryKey: [...keys.dataset(collection, dataset), 'lineage', item],
    queryFn: ({ signal }) => api.getLineage({ params: { collection }, query: { dataset, item }, signal }),
  })
  if (error) return <Problem error={error} onRetry={() => void refetch()} />
  if (!data) return null
  const runs = runsOverItem(data)
  return (
    <section aria-label="Runs over this item">
      <div className="mb-1 flex items-baseline gap-3">
        <h3 className="flex-1 font-medium text-12 text-muted">Runs over this item</h3>
        <PageLink href={lineageHref(collection, { dataset, item })} className="text-12 text-accent">
          Lineage as a graph
        </PageLink>
      </div>
      {runs.length === 0 && <p className="text-muted">No task ran over it yet.</p>}
      <ul className="divide-y divide-line border-line border-y empty:hidden">
        {runs.map((run) => (
          <RunLine key={run.id} collection={collection} run={run} />
        ))}
      </ul>
      {!data.is_complete && <p className="mt-1 text-12 text-muted">There are more; these are the newest.</p>}
    </section>
  )
}

const RunLine = ({ collection, run }: { collection: string; run: ItemRun }) => (
  <li className="flex flex-wrap items-center gap-x-3 gap-y-1 py-1.5">
    <StatusMark of={run.status} label={statusWord(run.status)} />
    <PageLink
      href={runHref({ collection, task: run.task, trajectory_id: run.trajectoryId })}
      className="min-w-0 truncate text-accent"
    >
      {run.task}/<span className="font-mono text-12">{run.trajectoryId}</span>
    </PageLink>
    <span className="text-12 text-muted">
      {run.taskVersion === null ? '' : `task v${run.taskVersion} · `}dataset v{run.datasetVersion ?? '–'}
    </span>
    {run.isStale && <Badge title="The item has other data now">stale</Badge>}
    {run.scores.map(({ id, key, value }) => (
      <Badge key={id} title={`${key}: ${value}`}>
        {key}: {value}
      </Badge>
    ))}
    {run.files.map(({ id, path, label }) => (
      <a key={id} href={fileAddress(path, false)} className="truncate text-12 text-accent" download>
        {label}
      </a>
    ))}
  </li>
)
