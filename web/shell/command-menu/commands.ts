import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { useNavigate, useParams } from '@tanstack/react-router'
import { api } from '../../data/api.ts'
import { keys } from '../../data/keys.ts'
import { signOut } from '../../data/sign-in.ts'
import { setTheme, themes } from '../../data/theme.ts'
import { useWhoami } from '../../data/whoami.ts'
import type { Command } from './rank.ts'
import { settingsCommands } from './settings-commands.ts'

interface Commands {
  all: Command[]
  /** Tasks are looked for on the server just now. */
  isSearching: boolean
  error: unknown
}

/** Everything that the command menu offers on this page. */
export const useCommands = (typed: string, openHelp: () => void): Commands => {
  const navigate = useNavigate()
  const { collection } = useParams({ strict: false })
  const isAdmin = useWhoami()?.auth_type === 'admin'
  const collections = useQuery({ queryKey: keys.collections, queryFn: ({ signal }) => api.listCollections({ signal }) })
  const tasks = useQuery({
    queryKey: [...keys.tasks(collection ?? ''), 'summary'],
    queryFn: ({ signal }) =>
      api.listTasks({ params: { collection: collection ?? '' }, query: { view: 'summary', limit: 500 }, signal }),
    enabled: collection !== undefined,
  })
  const id = typed.trim()
  // A page of no collection: the tasks of all of them, once somebody looks for some.
  const everywhere = useQuery({
    queryKey: [...keys.tasks(''), 'search', id],
    queryFn: ({ signal }) => api.searchAllTasks({ query: { q: id, limit: 30 }, signal }),
    enabled: collection === undefined && id.length > 1,
    placeholderData: keepPreviousData,
  })
  const found = collection === undefined && id.length > 1 ? (everywhere.data?.hits ?? []) : []
  const isRunId = /^[0-9a-f]{8}$/.test(id) && collection !== undefined
  const isSearching = everywhere.isFetching || tasks.isLoading
  const error = everywhere.error ?? tasks.error
  const all = [
    ...(isRunId ? [{ id: 'run', kind: 'Run', text: id, run: () => toRun(id) }] : []),
    ...(tasks.data ?? []).map(({ name }) => ({
      id: `task ${name}`,
      kind: 'Task',
      text: `${collection}/${name}`,
      run: () => void navigate({ to: '/$collection/$task', params: { collection: collection ?? '', task: name } }),
    })),
    ...found.map(({ document: { collection_name: place, entity_name: task } }) => ({
      id: `task ${place}/${task}`,
      kind: 'Task',
      text: `${place}/${task}`,
      run: () => void navigate({ to: '/$collection/$task', params: { collection: place, task } }),
    })),
    ...(collections.data ?? []).map(({ name }) => ({
      id: `collection ${name}`,
      kind: 'Collection',
      text: name,
      run: () => void navigate({ to: '/$collection', params: { collection: name } }),
    })),
    { id: 'collections', kind: 'Go to', text: 'Collections', keys: 'g c', run: () => void navigate({ to: '/' }) },
    {
      id: 'approvals',
      kind: 'Go to',
      text: 'Approvals',
      keys: 'g a',
      run: () => void navigate({ to: '/-/approvals' }),
    },
    ...settingsCommands(collection, isAdmin, (href) => void navigate({ href })),
    {
      id: 'playground',
      kind: 'Go to',
      text: 'Playground: ask models by hand',
      keys: 'g p',
      run: () => void navigate({ to: '/-/playground', search: collection === undefined ? {} : { collection } }),
    },
    ...(collection === undefined
      ? []
      : [
          {
            id: 'datasets',
            kind: 'Go to',
            text: `Datasets of ${collection}`,
            run: () => void navigate({ to: '/$collection/-/datasets', params: { collection } }),
          },
          {
            id: 'new-task',
            kind: 'Create',
            text: `Task in ${collection}`,
            run: () => void navigate({ to: '/$collection/-/new-task', params: { collection } }),
          },
          {
            id: 'new-runbook',
            kind: 'Create',
            text: `Runbook in ${collection}`,
            run: () => void navigate({ to: '/$collection/-/new-runbook', params: { collection } }),
          },
        ]),
    ...themes.map((theme) => ({
      id: `theme ${theme}`,
      kind: 'Theme',
      text: { system: 'As the device', light: 'Light', dark: 'Dark' }[theme],
      run: () => setTheme(theme),
    })),
    { id: 'keys', kind: 'Help', text: 'Keys and links', keys: '?', run: openHelp },
    {
      id: 'docs',
      kind: 'Help',
      text: 'Documentation',
      run: () => void window.open('/docs', '_blank', 'noopener'),
    },
    {
      id: 'out',
      kind: 'Session',
      text: 'Sign out',
      run: () => void signOut().then(() => navigate({ to: '/sign-in' })),
    },
  ]
  return { all, isSearching, error }

  function toRun(trajectory: string) {
    void navigate({ to: '/$collection/-/runs', params: { collection: collection ?? '' }, search: { q: trajectory } })
  }
}
