import { useQuery, useQueryClient } from '@tanstack/react-query'
import { Link, Outlet, useLocation, useNavigate, useParams } from '@tanstack/react-router'
import { Suspense, useEffect, useState } from 'react'
import { api, onWarning } from '../data/api.ts'
import { useVisible } from '../data/browser.ts'
import { keys } from '../data/keys.ts'
import { lazyPart, useServerAway } from '../data/server-away.ts'
import { useSessionState } from '../data/session.ts'
import { signOut } from '../data/sign-in.ts'
import { useStored } from '../data/stored.ts'
import { type StreamState, toggleFollowing, useStreamState } from '../data/stream.ts'
import { setTheme, themes } from '../data/theme.ts'
import { useWhoami } from '../data/whoami.ts'
import { errorText, Problem } from '../parts/problem.tsx'
import { countText } from '../text/numbers.ts'
import { buttonClass, IconButton } from '../ui/button.tsx'
import { Dialog } from '../ui/dialog.tsx'
import { TextField } from '../ui/field.tsx'
import { Icon } from '../ui/icon.tsx'
import { keysText, setSingleKeys, useKeys } from '../ui/keys.ts'
import { Menu } from '../ui/menu.tsx'
import { Popover } from '../ui/popover.tsx'
import { StatusMark } from '../ui/status.tsx'
import { showToast, Toasts } from '../ui/toast.tsx'
import { Tooltip } from '../ui/tooltip.tsx'
import { CommandMenu } from './command-menu/command-menu.tsx'

const linkClass = 'truncate rounded-s px-1 hover:bg-sunk'

/** Pages that belong to no collection, by how their address begins. */
const titles = [
  ['/-/approvals', 'Approvals'],
  ['/-/compare', 'Compare'],
  ['/-/playground', 'Playground'],
  ['/settings', 'Settings'],
] as const

/** Where this page stands: collection, task, run; each level leads to the others of its kind. */
const Breadcrumb = () => {
  const { collection, task, id, dataset } = useParams({ strict: false }) as Partial<
    Record<'collection' | 'task' | 'id' | 'dataset', string>
  >
  const { pathname } = useLocation()
  if (collection === undefined) {
    const title = titles.find(([begin]) => pathname === begin || pathname.startsWith(`${begin}/`))?.[1]
    return title === undefined ? null : <span className="truncate px-1 font-semibold">{title}</span>
  }
  return (
    <nav aria-label="Where you are" className="flex min-w-0 items-center">
      <Link
        to="/$collection"
        params={{ collection }}
        className={`${linkClass} ${task || dataset ? 'text-muted max-sm:hidden' : 'font-semibold'}`}
      >
        {collection}
      </Link>
      {task === undefined && dataset === undefined && (
        <Popover
          label="Other collections"
          button={<Icon name="down" />}
          className={buttonClass('quiet', true)}
          boxClass="w-72 p-2"
        >
          {(close) => <Collections onPick={close} />}
        </Popover>
      )}
      {task !== undefined && (
        <>
          <span className="text-faint max-sm:hidden">/</span>
          <Link
            to="/$collection/$task"
            params={{ collection, task }}
            className={`${linkClass} ${id ? 'text-muted' : 'font-semibold'}`}
          >
            {task}
          </Link>
          <Popover
            label="Other tasks"
            button={<Icon name="down" />}
            className={buttonClass('quiet', true)}
            boxClass="w-72 p-2"
          >
            {(close) => <Tasks collection={collection} onPick={close} />}
          </Popover>
        </>
      )}
      {dataset !== undefined && (
        <>
          <span className="text-faint max-sm:hidden">/</span>
          <Link to="/$collection/-/datasets" params={{ collection }} className={`${linkClass} text-muted`}>
            Datasets
          </Link>
          <span className="text-faint">/</span>
          <span className="truncate px-1 font-semibold">{dataset}</span>
        </>
      )}
      {id !== undefined && (
        <>
          <span className="text-faint">/</span>
          <span className="truncate px-1 font-mono font-semibold text-12">{id}</span>
        </>
      )}
    </nav>
  )
}

const Collections = ({ onPick }: { onPick: () => void }) => {
  const list = useQuery({ queryKey: keys.collections, queryFn: ({ signal }) => api.listCollections({ signal }) })
  return (
    <Choice label="Find a collection" names={list.data?.map(({ name }) => name)} error={list.error}>
      {(name) => (
        <Link key={name} to="/$collection" params={{ collection: name }} onClick={onPick} className={choiceClass}>
          {name}
        </Link>
      )}
    </Choice>
  )
}

const Tasks = ({ collection, onPick }: { collection: string; onPick: () => void }) => {
  const list = useQuery({
    queryKey: [...keys.tasks(collection), 'summary'],
    queryFn: ({ signal }) => api.listTasks({ params: { collection }, query: { view: 'summary', limit: 500 }, signal }),
  })
  return (
    <Choice label="Find a task" names={list.data?.map(({ name }) => name)} error={list.error}>
      {(task) => (
        <Link key={task} to="/$collection/$task" params={{ collection, task }} onClick={onPick} className={choiceClass}>
          {task}
        </Link>
      )}
    </Choice>
  )
}

const choiceClass = 'block truncate rounded-s px-2 py-1 hover:bg-selection focus:bg-selection'

interface ChoiceProps {
  label: string
  names: string[] | undefined
  error: unknown
  children: (name: string) => React.ReactNode
}

const Choice = ({ label, names, error, children }: ChoiceProps) => {
  const [typed, setTyped] = useState('')
  if (error) return <Problem error={error} />
  const found = names?.filter((name) => name.toLowerCase().includes(typed.toLowerCase()))
  return (
    <>
      <TextField
        label={label}
        hidesLabel
        placeholder={label}
        autoFocus
        value={typed}
        onChange={(event) => setTyped(event.target.value)}
      />
      <div className="mt-1">
        {found?.slice(0, 100).map(children)}
        {found?.length === 0 && <p className="px-2 py-1 text-muted">None fits.</p>}
      </div>
    </>
  )
}

/** It comes when somebody asks for it. */
const SignOutEverywhere = lazyPart(async () => ({
  default: (await import('../parts/sign-out-everywhere.tsx')).SignOutEverywhere,
}))

const themeTexts = { system: 'Theme of the device', light: 'Light', dark: 'Dark' } as const
const themeIcons = { system: 'screen', light: 'sun', dark: 'moon' } as const

/** Who has signed in, the theme, help, and the way out. */
const PersonMenu = ({ onHelp }: { onHelp: () => void }) => {
  const who = useWhoami()
  const navigate = useNavigate()
  const [isAsking, setAsking] = useState(false)
  const theme = useStored('theme') ?? 'system'
  const leave = (end: Promise<void>) =>
    void end.then(
      () => navigate({ to: '/sign-in' }),
      (error) => showToast({ text: errorText(error), isBad: true }),
    )
  const name = who ? (who.auth_type === 'admin' ? 'admin' : (who.name ?? who.key_prefix ?? '')) : ''
  return (
    <>
      <Suspense>{isAsking && <SignOutEverywhere onClose={() => setAsking(false)} />}</Suspense>
      <Menu
        side="left"
        label="You and this browser"
        className={buttonClass('quiet', true)}
        button={<Icon name="person" />}
        head={
          who && (
            <>
              Signed in as <span className="font-medium text-text">{name}</span> · {who.access_level}
            </>
          )
        }
        items={[
          ...themes.map((one) => ({
            text: themeTexts[one],
            icon: themeIcons[one],
            isChosen: one === theme,
            onSelect: () => setTheme(one),
          })),
          {
            text: 'Settings and sessions',
            icon: 'gear',
            isApart: true,
            onSelect: () => void navigate({ to: '/settings/{-$section}', params: {} }),
          },
          { text: 'Keys and help', icon: 'help', note: '?', onSelect: onHelp },
          { text: 'Sign out', icon: 'leave', onSelect: () => leave(signOut()) },
          { text: 'Sign out everywhere…', icon: 'leave', onSelect: () => setAsking(true) },
        ]}
      />
    </>
  )
}

const askAgainMs = 120_000
/** What is not older is not asked for again by another page. */
const freshMs = 15_000

/**
 * How many steps wait for a person, in all collections of the session; it leads to them. The stream of a collection tells
 * of its own at once. No stream has all collections: it asks again with another page, when the tab is looked at again, and
 * every two minutes while it is seen.
 */
const WaitingMark = () => {
  const isVisible = useVisible()
  const { pathname } = useLocation()
  const { data, dataUpdatedAt, refetch } = useQuery({
    queryKey: [...keys.approvals, 'count'],
    queryFn: ({ signal }) => api.listAllApprovals({ query: { limit: 1 }, signal }),
    refetchInterval: isVisible ? askAgainMs : false,
    refetchOnWindowFocus: true,
  })
  // biome-ignore lint/correctness/useExhaustiveDependencies: only another page asks again
  useEffect(() => {
    if (dataUpdatedAt > 0 && Date.now() - dataUpdatedAt > freshMs) void refetch()
  }, [pathname])
  if (!data || data.total === 0) return null
  const count = data.total ?? 10_000
  const text = count === 1 ? '1 step waits for a person' : `${count.toLocaleString('en-US')} steps wait for a person`
  return (
    <Link
      to="/-/approvals"
      aria-label={text}
      title={text}
      className="inline-flex h-7 items-center gap-1 rounded-m px-1.5 font-medium text-12 tabular-nums hover:bg-sunk"
    >
      <StatusMark of="waiting" />
      {data.total === null ? '10k+' : countText(count)}
    </Link>
  )
}

const looks: Record<Exclude<StreamState, 'off'>, { text: string; dot: string; more: string }> = {
  connecting: { text: 'connecting', dot: 'bg-idle', more: 'The page asks the server for changes.' },
  live: { text: 'live', dot: 'bg-ok', more: 'What changes appears by itself.' },
  broken: { text: 'reconnecting', dot: 'bg-wait', more: 'The connection broke off; it goes on where it was.' },
  stopped: { text: 'stopped', dot: 'bg-idle', more: 'The page does not change. Press . to follow again.' },
  paused: { text: 'paused', dot: 'bg-idle', more: 'A tab that nobody sees does not follow.' },
}

/** Whether what the page shows is followed. */
const LiveMark = () => {
  const state = useStreamState()
  const isAway = useServerAway()
  if (state === 'off') return null
  const { text, dot, more } = looks[isAway && state !== 'stopped' ? 'broken' : state]
  return (
    <Tooltip text={more}>
      <span className="inline-flex items-center gap-1.5 px-1 text-12 text-muted">
        <span className={`size-1.5 rounded-full ${dot}`} />
        <span className="max-sm:sr-only">{text}</span>
      </span>
    </Tooltip>
  )
}

/** It comes when a session has ended. */
const SignInForm = lazyPart(async () => ({ default: (await import('../parts/sign-in-form.tsx')).SignInForm }))

/** Asks for a key where the session has ended. The page below stays as it was, with what somebody has typed into it. */
const SessionEnded = () => {
  const client = useQueryClient()
  const hasEnded = useSessionState() === 'ended'
  return (
    <Dialog title="Your session has ended" isOpen={hasEnded} isFirm onClose={() => {}}>
      <p className="mb-3 text-muted">Sign in again to go on where you were. Nothing on this page is lost.</p>
      <Suspense>{hasEnded && <SignInForm onDone={() => void client.invalidateQueries()} />}</Suspense>
    </Dialog>
  )
}

onWarning((text) => showToast({ text, isBad: true }))

const loadHelp = async () => ({ default: (await import('./help.tsx')).Help })
const Help = lazyPart(loadHelp)

/** Help comes after the first page, and is there when the server is away. */
const loadLater = () => void loadHelp().catch(() => {})
const loadLaterMs = 2_000

/** What stands around every page: the header, the command menu, help, and what happens to session and server. */
export const AppShell = () => {
  const navigate = useNavigate()
  const [open, setOpen] = useState<'menu' | 'help'>()
  const isAway = useServerAway()
  const { collection } = useParams({ strict: false }) as { collection?: string }
  const settingsHref = collection === undefined ? '/settings' : `/${encodeURIComponent(collection)}/-/settings/keys`
  const singleKeys = useStored('single-keys') !== 'off'
  useEffect(() => setSingleKeys(singleKeys), [singleKeys])
  useEffect(() => {
    const timer = setTimeout(loadLater, loadLaterMs)
    return () => clearTimeout(timer)
  }, [])
  useKeys('Everywhere', [
    { keys: 'mod+k', does: 'Commands', run: () => setOpen('menu') },
    { keys: '?', does: 'Keys and help', run: () => setOpen('help') },
    { keys: '.', does: 'Stop following, or follow again', run: toggleFollowing },
    { keys: 'g c', does: 'Collections', run: () => void navigate({ to: '/' }) },
    ...(collection === undefined
      ? []
      : [
          {
            keys: 'g r',
            does: `Runs of ${collection}`,
            run: () => void navigate({ to: '/$collection/-/runs', params: { collection } }),
          },
        ]),
    { keys: 'g a', does: 'Approvals', run: () => void navigate({ to: '/-/approvals' }) },
    { keys: 'g s', does: 'Settings', run: () => void navigate({ href: settingsHref }) },
    { keys: 'g p', does: 'Playground', run: () => void navigate({ to: '/-/playground' }) },
  ])
  return (
    <div className="flex h-full flex-col">
      <a href="#page" className="sr-only focus:not-sr-only focus:absolute focus:z-50 focus:bg-raised focus:p-2">
        Skip to the page
      </a>
      <header className="flex h-12 shrink-0 items-center gap-1 border-line border-b px-3">
        <Link to="/" aria-label="Jetty: all collections" className="mr-1 rounded-s p-1">
          <Mark />
        </Link>
        <Breadcrumb />
        <span className="flex-1" />
        <LiveMark />
        <WaitingMark />
        <button
          type="button"
          onClick={() => setOpen('menu')}
          className="flex h-7 items-center gap-2 rounded-m border border-line px-2 text-muted hover:bg-sunk max-sm:hidden"
        >
          Search <kbd className="font-sans text-11 text-faint">{keysText('mod+k')}</kbd>
        </button>
        <IconButton icon="search" label="Search" className="sm:hidden" onClick={() => setOpen('menu')} />
        <PersonMenu onHelp={() => setOpen('help')} />
      </header>
      {isAway && (
        <p role="status" className="shrink-0 border-line border-b bg-sunk px-4 py-1.5">
          The server does not answer. This page goes on by itself when it is back.
        </p>
      )}
      <div id="page" className="flex min-h-0 flex-1 flex-col">
        <Outlet />
      </div>
      {open === 'menu' && <CommandMenu onClose={() => setOpen(undefined)} onHelp={() => setOpen('help')} />}
      <Suspense>{open === 'help' && <Help onClose={() => setOpen(undefined)} />}</Suspense>
      <SessionEnded />
      <Toasts />
    </div>
  )
}

const Mark = () => (
  <svg viewBox="0 0 16 16" aria-hidden="true" className="size-5">
    <rect x="1" y="1" width="14" height="14" rx="3.5" className="fill-text" />
    <path d="M4.5 4.5h3v7h-3z" className="fill-bg" />
    <path d="M9 4.5h2.5v7H9" className="fill-none stroke-bg" strokeWidth={1.2} />
  </svg>
)
