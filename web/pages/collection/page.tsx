import { useParams } from '@tanstack/react-router'
import { useTitle } from '../../data/title.ts'
import { CollectionTabs } from '../../parts/collection-tabs.tsx'
import { Problem } from '../../parts/problem.tsx'
import { Empty } from '../../ui/empty.tsx'
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
  useTitle(collection)
  return (
    <main className="min-h-0 flex-1 overflow-auto">
      <h1 className="sr-only">{collection}</h1>
      <CollectionTabs collection={collection} current="overview" />
      <div className="mx-auto flex max-w-240 flex-col gap-8 px-4 py-6">
        {tasks.error && <Problem error={tasks.error} onRetry={() => void tasks.refetch()} />}
        {(approvals.data?.approvals.length ?? 0) > 0 && (
          <OpenApprovals collection={collection} approvals={approvals.data?.approvals ?? []} />
        )}
        {activity.data && activity.data.rows.length > 0 && <DayActivity stats={activity.data} />}
        {tasks.data?.length === 0 && (
          <Empty title="No task yet" command={`jetty deploy my-task.json ${collection}/my-task`}>
            A task is a named workflow. Deploy one from a file, or create it over the API.
          </Empty>
        )}
        {tasks.data && tasks.data.length > 0 && (
          <section aria-labelledby="tasks">
            <h2 id="tasks" className="mb-2 font-semibold text-15">
              Tasks
            </h2>
            <TaskTable collection={collection} tasks={tasks.data} />
          </section>
        )}
        {(failures.data?.runs.length ?? 0) > 0 && (
          <LatestFailures collection={collection} runs={failures.data?.runs ?? []} />
        )}
      </div>
    </main>
  )
}
