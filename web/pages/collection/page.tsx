import { useQuery, useQueryClient } from '@tanstack/react-query'
import { Link, useParams } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import type { ShownApproval } from '../../../src/model/runs/approval.ts'
import type { CollectionRun } from '../../../src/model/runs/collection-run.ts'
import type { DailyStats } from '../../../src/model/runs/daily-stats.ts'
import type { TaskSummary } from '../../../src/model/workflows/task.ts'
import { api } from '../../data/api.ts'
import { useTitle } from '../../data/browser.ts'
import { useNow } from '../../data/clock.ts'
import { keys } from '../../data/keys.ts'
import { useLiveCollection } from '../../data/live-collection.ts'
import { refreshLater } from '../../data/refresh-soon.ts'
import { useMayWrite } from '../../data/whoami.ts'
import { CollectionTabs } from '../../parts/collection-tabs.tsx'
import { plainText } from '../../parts/log/plain-text.ts'
import { PageLink, runHref } from '../../parts/page-link.tsx'
import { PausedNote } from '../../parts/paused.tsx'
import { Problem } from '../../parts/problem.tsx'
import { splitQuestion } from '../../parts/question.ts'
import { RunNumbers } from '../../parts/run-numbers.tsx'
import { SortedList } from '../../parts/sorted-list/sorted-list.tsx'
import { TraceSetup } from '../../parts/trace-setup.tsx'
import { costText, countText, shareText } from '../../text/numbers.ts'
import { agoText, durationText, everyDay } from '../../text/times.ts'
import { Badge } from '../../ui/badge.tsx'
import { buttonClass } from '../../ui/button.tsx'
import { Empty } from '../../ui/empty.tsx'
import { Icon } from '../../ui/icon.tsx'
import { StatusMark, statusWord } from '../../ui/status.tsx'

/** One bar: parts from the bottom up, each with the class of its colour. */
interface DayBar {
  key: string
  title: string
  parts: { count: number; className: string }[]
}

const height = 48
const width = 8
const gap = 2

/** Bars of days side by side, with a scale of their own. Each bar says in words what it shows. */
const DayBars = ({ label, bars }: { label: string; bars: DayBar[] }) => {
  const most = Math.max(1, ...bars.map(({ parts }) => parts.reduce((sum, { count }) => sum + count, 0)))
  return (
    <svg
      role="img"
      aria-label={label}
      viewBox={`0 0 ${Math.max(1, bars.length * (width + gap) - gap)} ${height}`}
      className="h-12 w-full"
      preserveAspectRatio="none"
    >
      {bars.map(({ key, title, parts }, at) => {
        let top = height
        return (
          <g key={key}>
            <title>{title}</title>
            <rect x={at * (width + gap)} y={0} width={width} height={height} className="fill-sunk" />
            {parts.map(({ count, className }) => {
              // A part that exists is seen, however small it is.
              const part = count === 0 ? 0 : Math.max(1, (count / most) * height)
              top -= part
              return (
                <rect
                  key={className}
                  x={at * (width + gap)}
                  y={top}
                  width={width}
                  height={part}
                  className={className}
                />
              )
            })}
          </g>
        )
      })}
    </svg>
  )
}

interface LineProps {
  collection: string
  task: string
  id: string
  mark: string
  text: string
  since: string
}

const Line = ({ collection, task, id, mark, text, since }: LineProps) => {
  const now = useNow()
  return (
    <li>
      <PageLink
        href={runHref({ collection, task, trajectory_id: id })}
        className="flex items-center gap-2 rounded-s px-2 py-1.5 hover:bg-sunk"
      >
        <StatusMark of={mark} label={mark} />
        <span className="shrink-0 font-medium">{task}</span>
        <span className="min-w-0 flex-1 truncate text-muted">{plainText(text)}</span>
        <span className="shrink-0 text-12 text-faint">{agoText(since, now)}</span>
      </PageLink>
    </li>
  )
}

/** Runs that failed last. */
const LatestFailures = ({ collection, runs }: { collection: string; runs: CollectionRun[] }) => (
  <section aria-labelledby="failures">
    <h2 id="failures" className="mb-1 flex items-baseline gap-3 font-semibold text-15">
      Latest failures
      <Link
        to="/$collection/-/runs"
        params={{ collection }}
        search={{ status: ['failed'] }}
        className="font-normal text-12 text-accent"
      >
        All of them
      </Link>
    </h2>
    <ul>
      {runs.map((run) => (
        <Line
          key={run.workflow_id}
          collection={collection}
          task={run.task}
          id={run.trajectory_id}
          mark="failed"
          text={run.error ?? ''}
          since={run.ended ?? run.created}
        />
      ))}
    </ul>
  </section>
)

/** Steps that wait for somebody. */
const OpenApprovals = ({ collection, approvals }: { collection: string; approvals: ShownApproval[] }) => (
  <section aria-labelledby="approvals">
    <h2 id="approvals" className="mb-1 flex items-baseline gap-3 font-semibold text-15">
      Waiting for a person
      <Link to="/-/approvals" className="font-normal text-12 text-accent">
        Decide
      </Link>
    </h2>
    <ul>
      {approvals.map((one) => (
        <Line
          key={`${one.trajectory_id} ${one.step}`}
          collection={collection}
          task={one.task}
          id={one.trajectory_id}
          mark="waiting"
          text={splitQuestion(one.message).title}
          since={one.requested_at}
        />
      ))}
    </ul>
  </section>
)

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
const TaskTable = ({ collection, tasks, actions }: TaskTableProps) => {
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

/** Days of the chart of activity. */
const shownDays = 30
const dayMs = 86_400_000
const mostTasks = 500
const mostFailures = 6

/** Moment with which the statistics begin, by whole days (UTC), so that the same day asks the same question. */
const firstDay = (): string => new Date(Date.now() - (shownDays - 1) * dayMs).toISOString().slice(0, 10)

const useTaskSummaries = (collection: string) =>
  useQuery({
    queryKey: [...keys.tasks(collection), 'summary'],
    queryFn: ({ signal }) =>
      api.listTasks({ params: { collection }, query: { view: 'summary', limit: mostTasks }, signal }),
  })

const useActivity = (collection: string) =>
  useQuery({
    queryKey: [...keys.runs(collection), 'days', firstDay()],
    queryFn: ({ signal }) =>
      api.getCollectionStats({ params: { collection }, query: { from: firstDay(), by: 'day' }, signal }),
  })

const useLatestFailures = (collection: string) =>
  useQuery({
    queryKey: [...keys.runs(collection), 'failures'],
    queryFn: ({ signal }) =>
      api.listCollectionRuns({
        params: { collection },
        query: { status: ['failed'], top_level: true, limit: mostFailures },
        signal,
      }),
  })

const useOpenApprovals = (collection: string) =>
  useQuery({
    queryKey: [...keys.runs(collection), 'approvals'],
    queryFn: ({ signal }) => api.listApprovals({ params: { collection }, query: { limit: 5 }, signal }),
  })

/** Follows a collection, and asks again for its totals some time after something changed. */
const useLiveOverview = (collection: string): void => {
  const client = useQueryClient()
  const shown = [keys.tasks(collection), keys.runs(collection)]
  useLiveCollection(collection, {
    onNews: () => {
      for (const queryKey of shown) refreshLater(client, queryKey)
    },
    onGap: () => {
      for (const queryKey of shown) void client.invalidateQueries({ queryKey })
    },
  })
}

const barsOf = ({ from, to, rows }: DailyStats): DayBar[] => {
  const byDay = new Map(rows.map((row) => [row.key, row]))
  return everyDay(from, to).map((day) => {
    const counts = byDay.get(day)?.runs?.by_status
    const [completed, failed, cancelled] = [counts?.completed ?? 0, counts?.failed ?? 0, counts?.cancelled ?? 0]
    return {
      key: day,
      title: `${day}: ${completed} completed, ${failed} failed, ${cancelled} cancelled`,
      parts: [
        { count: completed, className: 'fill-ok' },
        { count: failed, className: 'fill-bad' },
        { count: cancelled, className: 'fill-idle' },
      ],
    }
  })
}

/** What the runs of the last days came to, in figures and as a bar a day. */
const DayActivity = ({ stats }: { stats: DailyStats }) => {
  const { runs, cost_usd: cost, tokens, p50_duration_seconds: p50, p95_duration_seconds: p95 } = stats.totals
  const { completed = 0, failed = 0 } = runs?.by_status ?? {}
  const figures: [string, string, string?][] = [
    ['Ended runs', countText(runs?.total ?? 0)],
    ['Success', shareText(completed, completed + failed)],
    ['Median', durationText(p50)],
    ['95th percentile', durationText(p95)],
    ['Cost', costText(cost, stats.totals.calls > 0), 'Of model calls with a known price'],
    ['Tokens', countText(tokens)],
  ]
  return (
    <section aria-labelledby="activity">
      <h2 id="activity" className="mb-2 font-semibold text-15">
        Last {barsOf(stats).length} days
      </h2>
      <dl className="mb-3 flex flex-wrap gap-x-8 gap-y-2">
        {figures.map(([name, value, title]) => (
          <div key={name} title={title}>
            <dt className="text-11 text-muted">{name}</dt>
            <dd className="font-medium text-15 tabular-nums">{value}</dd>
          </div>
        ))}
      </dl>
      <DayBars label={`Ended runs a day from ${stats.from} to ${stats.to}`} bars={barsOf(stats)} />
      <p className="mt-1 flex justify-between text-11 text-faint">
        <span>{stats.from}</span>
        <span>{stats.to} (UTC)</span>
      </p>
    </section>
  )
}

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
          <div>
            <Empty
              title="No task yet"
              command={`jetty tasks deploy my-task.json ${collection}/my-task`}
              actions={mayWrite && <NewLinks collection={collection} />}
            >
              A task is a named workflow. Write one here, deploy it from a file, or let a coding agent work by a
              runbook.
            </Empty>
            <TraceSetup collection={collection} />
          </div>
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
