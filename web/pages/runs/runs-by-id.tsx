import { useQuery } from '@tanstack/react-query'
import { api } from '../../data/api.ts'
import { useNow } from '../../data/clock.ts'
import { PageLink, runHref } from '../../parts/page-link.tsx'
import { statusOfRun } from '../../parts/status-of-run.ts'
import { agoText } from '../../text/times.ts'
import { StatusMark, statusWord } from '../../ui/status.tsx'

/** Whether a text may be the beginning of the id of a run. */
const mayBeId = (text: string): boolean => /^[\w.-]{3,200}$/.test(text)

const most = 5

interface RunsByIdProps {
  collection: string
  task: string | undefined
  beginning: string
}

/** Runs whose id begins with what is searched: an index finds them at once, however far back they are. */
export const RunsById = ({ collection, task, beginning }: RunsByIdProps) => {
  const now = useNow()
  const { data } = useQuery({
    queryKey: ['runs-by-id', beginning],
    queryFn: ({ signal }) => api.findRuns({ query: { id: beginning, limit: 50 }, signal }),
    enabled: mayBeId(beginning),
  })
  const found = (data?.runs ?? []).filter(
    (run) => run.collection === collection && (task === undefined || run.task === task),
  )
  if (found.length === 0) return null
  return (
    <ul aria-label="Runs with this id" className="border-line border-b bg-sunk px-4 py-1">
      {found.slice(0, most).map((run) => (
        <li key={`${run.task} ${run.trajectory_id}`}>
          <PageLink href={runHref(run)} className="flex items-center gap-2 rounded-s py-0.5 hover:underline">
            <StatusMark of={statusOfRun(run)} label={statusWord(statusOfRun(run))} />
            <span className="font-mono text-12">{run.trajectory_id}</span>
            <span className="truncate text-muted">{run.task}</span>
            <span className="text-12 text-faint">{agoText(run.created, now)}</span>
          </PageLink>
        </li>
      ))}
    </ul>
  )
}
