import type { ReactNode } from 'react'
import type { TaskSummary } from '../../../src/model/workflows/task.ts'
import { useNow } from '../../data/clock.ts'
import { RunNumbers } from '../../parts/run-numbers.tsx'
import { SortedList } from '../../parts/sorted-list/sorted-list.tsx'
import { agoText } from '../../text/ago.ts'
import { shareText } from '../../text/share.ts'
import { Badge } from '../../ui/badge.tsx'
import { StatusMark, statusWord } from '../../ui/status.tsx'

interface TaskTableProps {
  collection: string
  tasks: readonly TaskSummary[]
  actions: ReactNode
}

/** The share of completed runs among those that completed or failed; null where there are none. */
const success = ({ runs }: TaskSummary): number | null => {
  const { completed, failed } = runs.by_status
  return completed + failed === 0 ? null : completed / (completed + failed)
}

/** The tasks of a collection, those that ran last first. */
export const TaskTable = ({ collection, tasks, actions }: TaskTableProps) => {
  const now = useNow()
  return (
    <SortedList
      noun="tasks"
      rows={tasks}
      keyOf={({ id }) => id}
      hrefOf={({ name }) => `/${encodeURIComponent(collection)}/${encodeURIComponent(name)}`}
      textOf={({ name, description, kind }) => `${name} ${kind} ${description ?? ''}`}
      grid="grid-cols-[minmax(12rem,1fr)_minmax(8rem,14rem)_5rem_6rem]"
      first={{ by: 'Last run', direction: 'desc' }}
      actions={actions}
      columns={[
        { name: 'Name', by: ({ name }) => name, cell: (task) => <TaskName task={task} /> },
        { name: 'Runs', by: ({ runs }) => runs.total, isNumber: true, cell: ({ runs }) => <RunNumbers runs={runs} /> },
        {
          name: 'Success',
          by: success,
          isNumber: true,
          className: 'text-12 tabular-nums max-sm:hidden',
          cell: ({ runs: { by_status: by } }) => (
            <span title="Completed among completed and failed runs">
              {shareText(by.completed, by.completed + by.failed)}
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

const TaskName = ({ task: { name, kind, steps, description, runs } }: { task: TaskSummary }) => (
  <span className="flex min-w-0 items-center gap-2">
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
)
