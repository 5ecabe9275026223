import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { useNavigate, useParams } from '@tanstack/react-router'
import { type KeyboardEvent, useId, useLayoutEffect, useRef, useState } from 'react'
import { api } from '../../data/api.ts'
import { keys } from '../../data/keys.ts'
import { signOut } from '../../data/sign-in.ts'
import { setTheme, themes } from '../../data/theme.ts'
import { useMayWrite, useWhoami } from '../../data/whoami.ts'
import { datasetHref, runHref } from '../../parts/page-link.tsx'
import { errorText } from '../../parts/problem.tsx'
import { Icon } from '../../ui/icon.tsx'
import { keysText } from '../../ui/keys.ts'

/** What the command menu can do. */
interface Command {
  id: string
  text: string
  /** Stands before the text, such as "Task". */
  kind: string
  run: () => void
  /** Keys that do the same. */
  keys?: string
}

/**
 * How well a text fits what was typed: letters in order, better at the beginning of words and side by side. 0: not at
 * all.
 */
export const fitOf = (text: string, typed: string): number => {
  const wanted = typed.toLowerCase().replace(/\s+/g, '')
  if (wanted === '') return 1
  const lower = text.toLowerCase()
  let score = 0
  let at = -1
  for (const letter of wanted) {
    const next = bestAfter(lower, letter, at)
    if (next < 0) return 0
    const startsWord = next === 0 || /[^\p{L}\p{N}]/u.test(lower[next - 1] ?? '')
    score += next === at + 1 ? 3 : startsWord ? 2 : 1
    at = next
  }
  return score / wanted.length + (lower.startsWith(wanted) ? 1 : 0) + 1 / (1 + lower.length)
}

/** Position of a letter after another: right behind it, else at the beginning of a word, else anywhere. */
const bestAfter = (text: string, letter: string, at: number): number => {
  if (text[at + 1] === letter) return at + 1
  for (let from = text.indexOf(letter, at + 1); from >= 0; from = text.indexOf(letter, from + 1)) {
    if (/[^\p{L}\p{N}]/u.test(text[from - 1] ?? ' ')) return from
  }
  return text.indexOf(letter, at + 1)
}

/** The commands that fit, the best first; where they fit alike, in the order given. */
export const rankedCommands = (commands: readonly Command[], typed: string, most = 50): Command[] =>
  commands
    .map((command, order) => ({
      command,
      order,
      fit: Math.max(fitOf(command.text, typed), fitOf(`${command.kind} ${command.text}`, typed) * 0.9),
    }))
    .filter(({ fit }) => fit > 0)
    .sort((left, right) => (typed === '' ? 0 : right.fit - left.fit) || left.order - right.order)
    .slice(0, most)
    .map(({ command }) => command)

const parts = [
  ['keys', 'Keys'],
  ['environment', 'Environment and secrets'],
  ['budgets', 'Budgets'],
  ['retention', 'Retention'],
  ['storage', 'Storage'],
  ['calls', 'Calls and network'],
  ['hooks', 'Hooks'],
  ['webhooks', 'Webhooks'],
  ['trial', 'Trial'],
  ['audit', 'Audit'],
  ['general', 'Owner and deletion'],
] as const

/** Pages about the server, for the admin. */
const serverParts = [
  ['health', 'Health and queue of the server'],
  ['providers', 'Model providers'],
  ['workers', 'Workers: programs that carry out steps'],
  ['sandbox', 'Sandbox of runbooks'],
  ['storage', 'Storage of the server'],
  ['audit', 'Audit of the server'],
] as const

/** The commands that lead to settings: of the collection that is looked at, and of this browser. */
const settingsCommands = (collection: string | undefined, isAdmin: boolean, go: (href: string) => void): Command[] => [
  ...(collection === undefined ? [] : parts).map(([name, text]) => ({
    id: `settings ${name}`,
    kind: 'Settings',
    text: `${text} of ${collection}`,
    run: () => go(`/${encodeURIComponent(collection ?? '')}/-/settings/${name}`),
  })),
  { id: 'sessions', kind: 'Settings', text: 'Sessions', run: () => go('/settings/sessions') },
  ...(isAdmin ? serverParts : []).map(([name, text]) => ({
    id: `server ${name}`,
    kind: 'Server',
    text,
    run: () => go(`/settings/${name}`),
  })),
]

interface Commands {
  all: Command[]
  /** The server is searched just now. */
  isSearching: boolean
  error: unknown
}

/** Everything that the command menu offers on this page. */
const useCommands = (typed: string, openHelp: () => void): Commands => {
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

/** A list of everything one can go to or do, found by a few letters. */
export const CommandMenu = ({ onClose, onHelp }: { onClose: () => void; onHelp: () => void }) => {
  const box = useRef<HTMLDialogElement>(null)
  const list = useRef<HTMLDivElement>(null)
  const id = useId()
  const [typed, setTyped] = useState('')
  const [at, setAt] = useState(0)
  const { all, isSearching, error } = useCommands(typed, onHelp)
  const found = rankedCommands(all, typed)
  const chosen = Math.min(at, found.length - 1)

  useLayoutEffect(() => {
    const node = box.current
    if (!node?.open) node?.showModal()
    return () => node?.close()
  }, [])
  useLayoutEffect(() => {
    list.current?.children[chosen]?.scrollIntoView({ block: 'nearest' })
  }, [chosen])

  const run = (index: number) => {
    const command = found[index]
    if (!command) return
    onClose()
    command.run()
  }
  const onKeyDown = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
    if (step !== undefined) setAt((chosen + step + found.length) % Math.max(1, found.length))
    else if (event.key === 'Enter') run(chosen)
    else return
    event.preventDefault()
  }
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: a click on the backdrop has the key Escape beside it
    <dialog
      ref={box}
      aria-label="Commands"
      onClose={onClose}
      onClick={(event) => event.target === box.current && onClose()}
      className="mx-auto mt-[12dvh] w-[calc(100vw-2rem)] max-w-140 overflow-hidden p-0"
    >
      <div className="flex items-center gap-2 border-line border-b px-3">
        <Icon name="search" className="text-faint" />
        <input
          autoFocus
          role="combobox"
          aria-expanded="true"
          aria-controls={`${id}-list`}
          aria-activedescendant={found.length > 0 ? `${id}-${chosen}` : undefined}
          aria-label="Search commands, tasks, runs, datasets and collections"
          placeholder="Go to a task, run or dataset, or do something"
          spellCheck={false}
          autoComplete="off"
          value={typed}
          onChange={(event) => {
            setTyped(event.target.value)
            setAt(0)
          }}
          onKeyDown={onKeyDown}
          className="h-11 min-w-0 flex-1 bg-transparent outline-none placeholder:text-faint"
        />
      </div>
      <div
        ref={list}
        id={`${id}-list`}
        role="listbox"
        aria-label="Commands"
        className="max-h-[50dvh] overflow-auto p-1"
      >
        {found.map((command, index) => (
          // biome-ignore lint/a11y/useKeyWithClickEvents: the field above has the keys
          <div
            key={command.id}
            id={`${id}-${index}`}
            role="option"
            tabIndex={-1}
            aria-selected={index === chosen}
            onClick={() => run(index)}
            onPointerMove={() => setAt(index)}
            className={`flex items-center gap-3 rounded-s px-2 py-1.5 ${index === chosen ? 'bg-selection' : ''}`}
          >
            <span className="w-20 shrink-0 text-12 text-faint">{command.kind}</span>
            <span className="min-w-0 flex-1 truncate">{command.text}</span>
            {command.keys && <kbd className="font-sans text-11 text-faint">{keysText(command.keys)}</kbd>}
          </div>
        ))}
      </div>
      {found.length === 0 && (
        <p role="status" className="px-3 pb-4 text-muted">
          {isSearching
            ? 'Searching…'
            : error
              ? `The server cannot be searched: ${errorText(error)}`
              : 'Nothing fits. Try fewer letters.'}
        </p>
      )}
    </dialog>
  )
}
