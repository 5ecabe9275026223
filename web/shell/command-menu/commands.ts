import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { useNavigate, useParams } from '@tanstack/react-router'
import { api } from '../../data/api.ts'
import { keys } from '../../data/keys.ts'
import { signOut } from '../../data/sign-in.ts'
import { setTheme, themes } from '../../data/theme.ts'
import { useMayWrite, useWhoami } from '../../data/whoami.ts'
import { datasetHref, runHref } from '../../parts/page-link.tsx'
import type { Command } from './rank.ts'
import { settingsCommands } from './settings-commands.ts'

interface Commands {
  all: Command[]
  /** The server is searched just now. */
  isSearching: boolean
  error: unknown
}

/** Everything that the command menu offers on this page. */
export const useCommands = (typed: string, openHelp: () => void): Commands => {
  const navigate = useNavigate()
  const { collection } = useParams({ strict: false })
  const mayWrite = useMayWrite()
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
  const runs = useQuery({
    queryKey: ['runs-by-id', id],
    queryFn: ({ signal }) => api.findRuns({ query: { id, limit: 10 }, signal }),
    enabled: mayBeRunId(id),
    placeholderData: keepPreviousData,
  })
  const datasets = useQuery({
    queryKey: ['dataset-search', id],
    queryFn: ({ signal }) => api.searchDatasets({ query: { q: id, limit: 10 }, signal }),
    enabled: id.length > 1,
    placeholderData: keepPreviousData,
  })
  const found = collection === undefined && id.length > 1 ? (everywhere.data?.hits ?? []) : []
  const isSearching = everywhere.isFetching || tasks.isLoading || runs.isFetching || datasets.isFetching
  const error = everywhere.error ?? tasks.error ?? runs.error ?? datasets.error
  const places = collection === undefined ? (collections.data ?? []).map(({ name }) => name) : [collection]
  const creations: Command[] = [
    ...places.slice(0, mostPlaces).flatMap((place) =>
      (['task', 'runbook'] as const).map((kind) => ({
        id: `new-${kind} ${place}`,
        kind: 'Create',
        text: `New ${kind} in ${place}`,
        run: () => void navigate({ to: `/$collection/-/new-${kind}`, params: { collection: place } }),
      })),
    ),
    {
      id: 'new-collection',
      kind: 'Create',
      text: 'New collection',
      run: () => void navigate({ to: '/', search: { new: 'collection' } as never }),
    },
  ]
  const all = [
    ...(mayBeRunId(id) ? (runs.data?.runs ?? []) : []).map((run) => ({
      id: `run ${run.collection}/${run.task}/${run.trajectory_id}`,
      kind: 'Run',
      text: `${run.trajectory_id} · ${run.collection}/${run.task}`,
      run: () => void navigate({ href: runHref(run) }),
    })),
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
    ...(id.length > 1 ? (datasets.data?.hits ?? []) : []).map(
      ({ document: { collection_name: place, entity_name: name } }) => ({
        id: `dataset ${place}/${name}`,
        kind: 'Dataset',
        text: `${place}/${name}`,
        run: () => void navigate({ href: datasetHref(place, name) }),
      }),
    ),
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
        ]),
    ...(mayWrite ? creations : []),
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
}

/** Whether a text may be the beginning of the id of a run. */
const mayBeRunId = (text: string): boolean => /^[\w.-]{3,200}$/.test(text)

/** Collections whose new tasks are offered on a page of none: further ones are opened first. */
const mostPlaces = 20
