import { useParams } from '@tanstack/react-router'
import { type ComponentType, lazy } from 'react'
import { useTitle } from '../../data/title.ts'
import { useWhoami } from '../../data/whoami.ts'
import { SettingsFrame } from './frame.tsx'
import { readSection, type ServerSection, serverSections } from './sections.ts'

const pages: Record<ServerSection, ComponentType> = {
  sessions: lazy(() => import('./sessions/page.tsx')),
  health: lazy(() => import('./system/status.tsx')),
  providers: lazy(() => import('./system/providers.tsx')),
  workers: lazy(() => import('./workers/page.tsx')),
  sandbox: lazy(() => import('./system/sandbox.tsx')),
  storage: lazy(() => import('./system/sizes.tsx')),
  audit: lazy(() => import('./audit/server.tsx')),
}

/** The settings of this browser, and for the admin those of the server. */
export const ServerSettingsPage = () => {
  const { section } = useParams({ strict: false }) as { section?: string }
  const isAdmin = useWhoami()?.auth_type === 'admin'
  const shown = serverSections.filter(([name]) => isAdmin || name === 'sessions')
  const current = readSection(shown, section)
  const Page = pages[current]
  useTitle(shown.find(([name]) => name === current)?.[1], 'Settings')
  const sections = shown.map(([name, text]) => ({ href: `/settings/${name}`, text, isCurrent: name === current }))
  return (
    <SettingsFrame label="Settings" sections={sections}>
      <Page key={current} />
    </SettingsFrame>
  )
}
