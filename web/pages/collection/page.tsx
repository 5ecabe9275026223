import { Link, useParams } from '@tanstack/react-router'
import { useTitle } from '../../data/title.ts'
import { useMayWrite } from '../../data/whoami.ts'
import { CollectionTabs } from '../../parts/collection-tabs.tsx'
import { PausedNote } from '../../parts/paused.tsx'
import { Problem } from '../../parts/problem.tsx'
import { buttonClass } from '../../ui/button.tsx'
import { Empty } from '../../ui/empty.tsx'
import { Icon } from '../../ui/icon.tsx'
import { LatestFailures, OpenApprovals } from './attention.tsx'
import { DayActivity } from './day-activity.tsx'
import { useActivity, useLatestFailures, useLiveOverview, useOpenApprovals, useTaskSummaries } from './query.ts'
import { TaskTable } from './task-table.tsx'

/** What goes on in a collection: what needs somebody, its tasks, and the last days. */
export const CollectionPage = () => {
  const { collection = '' } = useParams({ strict: false })
  const tasks = useTaskSummaries(collection)
  const activity = useActivity(collection)
  const failures = useLatestFailures(collection)
  const approvals = useOpenApprovals(collection)
  useLiveOverview(collection)
  const mayWrite = useMayWrite()
  useTitle(collection)
  return (
    <main data-scroll-restoration-id="page" className="min-h-0 flex-1 overflow-auto">
      <h1 className="sr-only">{collection}</h1>
      <CollectionTabs collection={collection} current="overview" />
      <div className="mx-auto flex max-w-240 flex-col gap-8 px-4 py-6">
        <PausedNote collection={collection} />
        {tasks.error && <Problem error={tasks.error} onRetry={() => void tasks.refetch()} />}
        {(approvals.data?.approvals.length ?? 0) > 0 && (
          <OpenApprovals collection={collection} approvals={approvals.data?.approvals ?? []} />
        )}
        {activity.data && activity.data.rows.length > 0 && <DayActivity stats={activity.data} />}
        {tasks.data?.length === 0 && (
          <Empty
            title="No task yet"
            command={`jetty tasks deploy my-task.json ${collection}/my-task`}
            actions={mayWrite && <NewLinks collection={collection} />}
          >
            A task is a named workflow. Write one here, deploy it from a file, or let a coding agent work by a runbook.
          </Empty>
        )}
        {tasks.data && tasks.data.length > 0 && (
          <section aria-labelledby="tasks">
            <h2 id="tasks" className="mb-2 font-semibold text-15">
              Tasks
            </h2>
            <TaskTable
              collection={collection}
              tasks={tasks.data}
              actions={mayWrite && <NewLinks collection={collection} />}
            />
          </section>
        )}
        {(failures.data?.runs.length ?? 0) > 0 && (
          <LatestFailures collection={collection} runs={failures.data?.runs ?? []} />
        )}
      </div>
    </main>
  )
}

/** Ways to a new task: as a workflow, or as a runbook. */
const NewLinks = ({ collection }: { collection: string }) => (
  <div className="flex gap-2">
    <Link to="/$collection/-/new-task" params={{ collection }} className={buttonClass()}>
      <Icon name="plus" />
      New task
    </Link>
    <Link to="/$collection/-/new-runbook" params={{ collection }} className={buttonClass()}>
      <Icon name="plus" />
      New runbook
    </Link>
  </div>
)
