import { Link, useParams, useSearch } from '@tanstack/react-router'
import { type ReactNode, Suspense, useMemo, useState } from 'react'
import { lazyPart } from '../../data/server-away.ts'
import { useMayWrite } from '../../data/whoami.ts'
import { buttonClass } from '../../ui/button.tsx'
import { useCurrentInView } from '../../ui/current-in-view.ts'
import { Icon } from '../../ui/icon.tsx'
import { Menu } from '../../ui/menu.tsx'
import { tabClass } from '../../ui/tabs.tsx'
import { runbookPlaces } from './runbook/runbook-places.ts'
import { readTaskTab, type TaskTab, taskTabs } from './tabs.ts'
import { type TaskPlaceProps, useTask } from './use-task.ts'

const pages: Record<Exclude<TaskTab, 'runs'>, React.ComponentType<TaskPlaceProps>> = {
  run: lazyPart(() => import('./run/page.tsx')),
  runbook: lazyPart(() => import('./runbook/page.tsx')),
  definition: lazyPart(() => import('./definition/page.tsx')),
  versions: lazyPart(() => import('./versions/page.tsx')),
  routines: lazyPart(() => import('./routines/page.tsx')),
  hooks: lazyPart(() => import('./hooks/page.tsx')),
  batches: lazyPart(() => import('./batches/page.tsx')),
  evaluations: lazyPart(() => import('./evaluations/page.tsx')),
  experiments: lazyPart(() => import('./experiments/page.tsx')),
  stats: lazyPart(() => import('./stats/page.tsx')),
}

/** It comes when somebody wants to delete the task. */
const DeleteTask = lazyPart(() => import('./delete-task.tsx'))

/** A task: its runs, and behind tabs everything else about it. */
export const TaskPage = ({ runs }: { runs: ReactNode }) => {
  const { collection = '', task = '' } = useParams({ strict: false })
  const mayWrite = useMayWrite()
  const [isAsking, setAsking] = useState(false)
  const tab = readTaskTab(useSearch({ strict: false }).tab)
  const Page = tab === 'runs' ? undefined : pages[tab]
  // Tasks of the server itself, such as `_chat`, have no definition to read.
  const { data } = useTask(collection, task, !task.startsWith('_'))
  const hasRunbook = useMemo(() => data !== undefined && runbookPlaces(data.task.workflow) !== undefined, [data])
  const nav = useCurrentInView<HTMLElement>(`${tab} ${hasRunbook}`)
  const isShown = ([name]: readonly [TaskTab, string]) => name !== 'runbook' || hasRunbook || tab === 'runbook'
  return (
    <>
      <nav
        ref={nav}
        aria-label={`Task ${task}`}
        className="flex shrink-0 gap-4 overflow-x-auto border-line border-b px-4"
      >
        {taskTabs.filter(isShown).map(([name, text]) => (
          <Link
            key={name}
            to="/$collection/$task"
            params={{ collection, task }}
            search={name === 'runs' ? {} : { tab: name }}
            // A link without a search would count as the current one on every tab.
            activeOptions={{ exact: true }}
            aria-current={name === tab ? 'page' : undefined}
            className={tabClass(name === tab)}
          >
            {name === 'run' && <Icon name="play" className="size-3.5" />}
            {text}
          </Link>
        ))}
        {mayWrite && !task.startsWith('_') && (
          <Menu
            label={`More about ${task}`}
            className={`${buttonClass('quiet', true)} my-auto ml-auto`}
            side="left"
            button={<Icon name="dots" />}
            items={[{ text: 'Delete this task', icon: 'bin', isBad: true, onSelect: () => setAsking(true) }]}
          />
        )}
      </nav>
      <Suspense>
        {isAsking && <DeleteTask collection={collection} task={task} onClose={() => setAsking(false)} />}
      </Suspense>
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
