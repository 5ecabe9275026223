import { Link, useParams, useSearch } from '@tanstack/react-router'
import { lazy, type ReactNode, Suspense } from 'react'
import { tabClass } from '../../ui/tabs.tsx'
import type { TaskPlaceProps } from './place.ts'
import { readTaskTab, type TaskTab, taskTabs } from './tabs.ts'

const pages: Record<Exclude<TaskTab, 'runs'>, React.ComponentType<TaskPlaceProps>> = {
  run: lazy(() => import('./run/page.tsx')),
  definition: lazy(() => import('./definition/page.tsx')),
  versions: lazy(() => import('./versions/page.tsx')),
  routines: lazy(() => import('./routines/page.tsx')),
  stats: lazy(() => import('./stats/page.tsx')),
}

/** A task: its runs, and behind tabs everything else about it. */
export const TaskPage = ({ runs }: { runs: ReactNode }) => {
  const { collection = '', task = '' } = useParams({ strict: false })
  const tab = readTaskTab(useSearch({ strict: false }).tab)
  const Page = tab === 'runs' ? undefined : pages[tab]
  return (
    <>
      <nav aria-label={`Task ${task}`} className="flex shrink-0 gap-4 overflow-x-auto border-line border-b px-4">
        {taskTabs.map(([name, text]) => (
          <Link
            key={name}
            to="/$collection/$task"
            params={{ collection, task }}
            search={name === 'runs' ? {} : { tab: name }}
            aria-current={name === tab ? 'page' : undefined}
            className={tabClass(name === tab)}
          >
            {text}
          </Link>
        ))}
      </nav>
      {Page ? (
        <Suspense>
          <Page key={`${collection}/${task}`} collection={collection} task={task} />
        </Suspense>
      ) : (
        runs
      )}
    </>
  )
}
