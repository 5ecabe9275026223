import { useQuery, useQueryClient } from '@tanstack/react-query'
import { Link, Outlet, useLocation, useNavigate, useParams } from '@tanstack/react-router'
import { Suspense, useEffect, useState } from 'react'
import { api, onWarning } from '../data/api.ts'
import { keys } from '../data/keys.ts'
import { lazyPart, useServerAway } from '../data/server-away.ts'
import { useSessionState } from '../data/session.ts'
import { signOut } from '../data/sign-in.ts'
import { useStored } from '../data/stored.ts'
import { type StreamState, toggleFollowing, useStreamState } from '../data/stream.ts'
import { setTheme, themes } from '../data/theme.ts'
import { useVisible } from '../data/visible.ts'
import { useWhoami } from '../data/whoami.ts'
import { errorText } from '../parts/problem.tsx'
import { SignInForm } from '../parts/sign-in-form.tsx'
import { countText } from '../text/count.ts'
import { buttonClass, IconButton } from '../ui/button.tsx'
import { Dialog } from '../ui/dialog.tsx'
import { Icon } from '../ui/icon.tsx'
import { keysText, setSingleKeys, useKeys } from '../ui/keys.ts'
import { Menu } from '../ui/menu.tsx'
import { StatusMark } from '../ui/status.tsx'
import { showToast, Toasts } from '../ui/toast.tsx'
import { Tooltip } from '../ui/tooltip.tsx'
import { Breadcrumb } from './breadcrumb.tsx'
import { CommandMenu } from './command-menu/command-menu.tsx'

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

/** Asks for a key where the session has ended. The page below stays as it was, with what somebody has typed into it. */
const SessionEnded = () => {
  const client = useQueryClient()
  return (
    <Dialog title="Your session has ended" isOpen={useSessionState() === 'ended'} isFirm onClose={() => {}}>
      <p className="mb-3 text-muted">Sign in again to go on where you were. Nothing on this page is lost.</p>
      <SignInForm onDone={() => void client.invalidateQueries()} />
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
