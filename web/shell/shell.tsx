import { Link, Outlet, useNavigate, useParams } from '@tanstack/react-router'
import { Suspense, useEffect, useState } from 'react'
import { onWarning } from '../data/api.ts'
import { lazyPart, useServerAway } from '../data/server-away.ts'
import { useStored } from '../data/stored.ts'
import { toggleFollowing } from '../data/stream.ts'
import { IconButton } from '../ui/button.tsx'
import { keysText, setSingleKeys, useKeys } from '../ui/keys.ts'
import { showToast, Toasts } from '../ui/toast.tsx'
import { Breadcrumb } from './breadcrumb.tsx'
import { CommandMenu } from './command-menu/command-menu.tsx'
import { LiveMark } from './live-mark.tsx'
import { PersonMenu } from './person-menu.tsx'
import { SessionEnded } from './session-ended.tsx'
import { WaitingMark } from './waiting-mark.tsx'

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
