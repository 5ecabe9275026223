import { Link } from '@tanstack/react-router'
import type { TaskSummary } from '../../../src/model/workflows/task.ts'
import { useNow } from '../../data/clock.ts'
import { RunNumbers } from '../../parts/run-numbers.tsx'
import { agoText } from '../../text/ago.ts'
import { shareText } from '../../text/share.ts'
import { Badge } from '../../ui/badge.tsx'
import { StatusMark, statusWord } from '../../ui/status.tsx'

const byLastRun = (one: TaskSummary, other: TaskSummary): number =>
  (other.runs.last?.created ?? '').localeCompare(one.runs.last?.created ?? '') || one.name.localeCompare(other.name)

/** The tasks of a collection, those that ran last first. */
export const TaskTable = ({ collection, tasks }: { collection: string; tasks: TaskSummary[] }) => (
  <>
    <p className="mb-1 flex gap-4 px-2 text-11 text-muted max-md:hidden" aria-hidden>
      <span className="flex-1" />
      <span>Runs</span>
      <span className="w-16 text-right">Success</span>
      <span className="w-24 text-right">Last run</span>
    </p>
    <ul className="divide-y divide-line border-line border-y">
      {[...tasks].sort(byLastRun).map((task) => (
        <TaskRow key={task.id} collection={collection} task={task} />
      ))}
    </ul>
  </>
)

const TaskRow = ({ collection, task }: { collection: string; task: TaskSummary }) => {
  const now = useNow()
  const { name, kind, steps, description, runs } = task
  const { completed, failed } = runs.by_status
  return (
    <li>
      <Link
        to="/$collection/$task"
        params={{ collection, task: name }}
        className="flex flex-wrap items-center gap-x-4 gap-y-1 px-2 py-2 hover:bg-sunk"
      >
        <span className="flex min-w-48 flex-1 items-center gap-2">
          {runs.last ? (
            <StatusMark of={runs.last.status} label={`Last run: ${statusWord(runs.last.status)}`} />
          ) : (
            <span className="size-3.5" />
          )}
          <span className="min-w-0">
            <span className="flex items-center gap-2">
              <span className="truncate font-medium">{name}</span>
              {kind !== 'workflow' && <Badge>{kind}</Badge>}
            </span>
            <span className="block truncate text-12 text-muted">
              {[steps === 1 ? '1 step' : steps > 1 && `${steps} steps`, description].filter(Boolean).join(' · ')}
            </span>
          </span>
        </span>
        <RunNumbers runs={runs} />
        <span
          className="w-16 text-right text-12 tabular-nums max-md:w-auto max-sm:hidden"
          title="Completed among completed and failed runs"
        >
          {shareText(completed, completed + failed)}
        </span>
        <span className="w-24 text-right text-12 text-faint max-md:w-auto">
          {runs.last && agoText(runs.last.created, now)}
        </span>
      </Link>
    </li>
  )
}
