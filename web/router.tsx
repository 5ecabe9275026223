import {
  createRootRoute,
  createRoute,
  createRouter,
  Link,
  lazyRouteComponent,
  Outlet,
  redirect,
} from '@tanstack/react-router'
import { useTitle } from './data/browser.ts'
import { firstOf, parseSearch, searchText } from './data/search-text.ts'
import { whenServed } from './data/server-away.ts'
import { sessionState } from './data/session.ts'
import { datasetSearch } from './pages/datasets/dataset-tabs.ts'
import { playgroundSearch } from './pages/playground/search.ts'
import { RunsPage } from './pages/runs/page.tsx'
import { TaskPage } from './pages/task/page.tsx'
import { taskSearch } from './pages/task/tabs.ts'
import { filterSearch, readFilters } from './parts/filters/run-filters.ts'
import { Problem } from './parts/problem.tsx'
import { AppShell } from './shell/shell.tsx'
import { buttonClass } from './ui/button.tsx'
import { Empty } from './ui/empty.tsx'
import { keysText } from './ui/keys.ts'

/** The page for an error that nothing else has caught. */
const PageFailed = ({ error }: { error: unknown }) => (
  <main>
    <Problem error={error} onRetry={() => location.reload()} />
  </main>
)

/** The page for an address that leads nowhere. */
const NotFound = () => {
  useTitle('Not found')
  return (
    <main>
      <h1 className="sr-only">Not found</h1>
      <Empty
        title="There is no page at this address"
        actions={
          <Link to="/" className={buttonClass('main')}>
            All collections
          </Link>
        }
      >
        Check the address, or press {keysText('mod+k')} to search for a task.
      </Empty>
    </main>
  )
}

/** A page whose code is loaded when it is first opened. */
const page = <Module extends Record<string, unknown>, Name extends keyof Module>(
  load: () => Promise<Module>,
  name: Name,
) => lazyRouteComponent(() => whenServed(load), name)

const root = createRootRoute({ component: Outlet })

const signIn = createRoute({
  getParentRoute: () => root,
  path: '/sign-in',
  validateSearch: ({ next }): { next?: string } =>
    firstOf(next) === undefined ? {} : { next: firstOf(next) as string },
  component: page(() => import('./pages/sign-in/page.tsx'), 'SignInPage'),
})

/** The documentation is for everybody. */
const docs = createRoute({
  getParentRoute: () => root,
  path: '/docs/{-$page}',
  component: page(() => import('./pages/docs/page.tsx'), 'DocsPage'),
})

const docsBelow = createRoute({
  getParentRoute: () => root,
  path: '/docs/$folder/$page',
  component: page(() => import('./pages/docs/page.tsx'), 'DocsPage'),
})

const docsApi = createRoute({
  getParentRoute: () => root,
  path: '/docs/api',
  component: page(() => import('./pages/docs/api/page.tsx'), 'ApiPage'),
})

/** Everything but the sign-in and the documentation needs a session. */
const shell = createRoute({
  getParentRoute: () => root,
  id: 'shell',
  component: AppShell,
  beforeLoad: ({ location }) => {
    if (sessionState() !== 'none') return
    throw redirect({ to: '/sign-in', search: location.href === '/' ? {} : { next: location.href } })
  },
})

const collections = createRoute({
  getParentRoute: () => shell,
  path: '/',
  component: page(() => import('./pages/collections/page.tsx'), 'CollectionsPage'),
})

/** Names of collections begin with a letter or digit: what begins with a dash is a page of its own, or none. */
const noPage = createRoute({ getParentRoute: () => shell, path: '/-/$', component: NotFound })

/** Lists of runs: their filters, and the run that is looked at beside them. */
const runsSearch = (search: Record<string, unknown>) => {
  const peek = firstOf(search.peek)
  return { ...filterSearch(readFilters(search)), ...(peek === undefined ? {} : { peek }) }
}

const collection = createRoute({
  getParentRoute: () => shell,
  path: '/$collection',
  component: page(() => import('./pages/collection/page.tsx'), 'CollectionPage'),
})

/** No task begins with a dash. */
const collectionRuns = createRoute({
  getParentRoute: () => shell,
  path: '/$collection/-/runs',
  validateSearch: runsSearch,
  component: RunsPage,
})

const datasets = createRoute({
  getParentRoute: () => shell,
  path: '/$collection/-/datasets',
  component: page(() => import('./pages/datasets/list-page.tsx'), 'DatasetsPage'),
})

const dataset = createRoute({
  getParentRoute: () => shell,
  path: '/$collection/-/datasets/$dataset',
  validateSearch: datasetSearch,
  component: page(() => import('./pages/datasets/dataset-page.tsx'), 'DatasetPage'),
})

const sessions = createRoute({
  getParentRoute: () => shell,
  path: '/$collection/-/sessions',
  component: page(() => import('./pages/conversations/lists.tsx'), 'SessionsPage'),
})

const session = createRoute({
  getParentRoute: () => shell,
  path: '/$collection/-/sessions/$session',
  component: page(() => import('./pages/conversations/session-page.tsx'), 'SessionPage'),
})

const users = createRoute({
  getParentRoute: () => shell,
  path: '/$collection/-/users',
  component: page(() => import('./pages/conversations/lists.tsx'), 'UsersPage'),
})

const user = createRoute({
  getParentRoute: () => shell,
  path: '/$collection/-/users/$user',
  component: page(() => import('./pages/conversations/user-page.tsx'), 'UserPage'),
})

/** What a lineage begins with. */
const lineageSearch = (search: Record<string, unknown>): Record<string, string> =>
  Object.fromEntries(
    ['file', 'trajectory_id', 'dataset', 'item', 'model'].flatMap((name) => {
      const value = firstOf(search[name])
      return value === undefined ? [] : [[name, value]]
    }),
  )

const lineage = createRoute({
  getParentRoute: () => shell,
  path: '/$collection/-/lineage',
  validateSearch: lineageSearch,
  component: page(() => import('./pages/lineage/page.tsx'), 'LineagePage'),
})

const collectionSettings = createRoute({
  getParentRoute: () => shell,
  path: '/$collection/-/settings/$section',
  validateSearch: ({ hook }): { hook?: string } =>
    firstOf(hook) === undefined ? {} : { hook: firstOf(hook) as string },
  component: page(() => import('./pages/settings/collection.tsx'), 'CollectionSettingsPage'),
})

/** No collection is called settings. */
const settings = createRoute({
  getParentRoute: () => shell,
  path: '/settings/{-$section}',
  component: page(() => import('./pages/settings/server.tsx'), 'ServerSettingsPage'),
})

const newTask = createRoute({
  getParentRoute: () => shell,
  path: '/$collection/-/new-task',
  component: page(() => import('./pages/task/definition/new-page.tsx'), 'NewTaskPage'),
})

const newRunbook = createRoute({
  getParentRoute: () => shell,
  path: '/$collection/-/new-runbook',
  component: page(() => import('./pages/task/runbook/new-page.tsx'), 'NewRunbookPage'),
})

/** Which approvals are listed, the one that is looked at, and whether for people who do not know the workflow. */
const approvalsSearch = (search: Record<string, unknown>) => {
  const [tab, approval] = [firstOf(search.tab), firstOf(search.approval)]
  return {
    ...(tab === 'mine' || tab === 'decided' ? { tab: tab as 'mine' | 'decided' } : {}),
    ...(approval === undefined ? {} : { approval }),
    ...(firstOf(search.skin) === 'plain' ? { skin: 'plain' as const } : {}),
  }
}

const approvals = createRoute({
  getParentRoute: () => shell,
  path: '/-/approvals',
  validateSearch: approvalsSearch,
  component: page(() => import('./pages/approvals/page.tsx'), 'ApprovalsPage'),
})

const playground = createRoute({
  getParentRoute: () => shell,
  path: '/-/playground',
  validateSearch: playgroundSearch,
  component: page(() => import('./pages/playground/page.tsx'), 'PlaygroundPage'),
})

const task = createRoute({
  getParentRoute: () => shell,
  path: '/$collection/$task',
  validateSearch: (search: Record<string, unknown>) => ({ ...runsSearch(search), ...taskSearch(search) }),
  component: () => <TaskPage runs={<RunsPage />} />,
})

const run = createRoute({
  getParentRoute: () => shell,
  path: '/$collection/$task/$id',
  component: page(() => import('./pages/trajectory/page.tsx'), 'RunPage'),
})

const compare = createRoute({
  getParentRoute: () => shell,
  path: '/-/compare',
  component: page(() => import('./pages/compare/page.tsx'), 'ComparePage'),
})

export const router = createRouter({
  routeTree: root.addChildren([
    signIn,
    docsApi,
    docs,
    docsBelow,
    shell.addChildren([
      collections,
      approvals,
      playground,
      settings,
      compare,
      noPage,
      collection,
      collectionRuns,
      datasets,
      dataset,
      sessions,
      session,
      users,
      user,
      lineage,
      collectionSettings,
      newTask,
      newRunbook,
      task,
      run,
    ]),
  ]),
  defaultPreload: 'intent',
  // Back returns to where a page was scrolled to. A change of the address alone, such as a filter, keeps the place.
  scrollRestoration: true,
  getScrollRestorationKey: ({ pathname, state }) => `${state.__TSR_index} ${pathname}`,
  scrollToTopSelectors: ['[data-scroll-restoration-id=page]'],
  defaultNotFoundComponent: NotFound,
  defaultErrorComponent: PageFailed,
  parseSearch,
  stringifySearch: searchText,
})

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router
  }
}
