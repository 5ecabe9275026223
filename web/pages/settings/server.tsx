import { useParams } from '@tanstack/react-router'
import type { ComponentType } from 'react'
import { useTitle } from '../../data/browser.ts'
import { lazyPart } from '../../data/server-away.ts'
import { useWhoami } from '../../data/whoami.ts'
import { SettingsFrame } from './frame.tsx'
import { readSection, type ServerSection, serverSections } from './sections.ts'

const pages: Record<ServerSection, ComponentType> = {
  sessions: lazyPart(() => import('./sessions/page.tsx')),
  health: lazyPart(() => import('./system/status.tsx')),
  providers: lazyPart(() => import('./system/providers.tsx')),
  workers: lazyPart(() => import('./workers/page.tsx')),
  sandbox: lazyPart(() => import('./system/sandbox.tsx')),
  storage: lazyPart(() => import('./system/sizes.tsx')),
  audit: lazyPart(async () => ({ default: (await import('./audit/page.tsx')).ServerAuditPage })),
}

/** The settings of this browser, and for the admin those of the server. */
export const ServerSettingsPage = () => {
  const { section } = useParams({ strict: false }) as { section?: string }
  const who = useWhoami()
  const isAdmin = who?.auth_type === 'admin'
  const shown = serverSections.filter(([name]) => isAdmin || name === 'sessions')
  const current = readSection(shown, section)
  const Page = pages[current]
  useTitle(shown.find(([name]) => name === current)?.[1], 'Settings')
  const sections = shown.map(([name, text]) => ({ href: `/settings/${name}`, text, isCurrent: name === current }))
  // Until it is known who looks, nothing else is shown than what was asked for.
  if (!who && section !== undefined && section !== 'sessions') return <main aria-busy className="flex-1" />
  return (
    <SettingsFrame label="Settings" sections={sections}>
      {/* Until it is known who looks, a page of the admin is not taken for one that is not there. */}
      {(who || section === current) && <Page key={current} />}
    </SettingsFrame>
  )
}
