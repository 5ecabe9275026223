import { useParams } from '@tanstack/react-router'
import type { ComponentType } from 'react'
import { useTitle } from '../../data/browser.ts'
import { lazyPart } from '../../data/server-away.ts'
import { useMayWrite } from '../../data/whoami.ts'
import { CollectionTabs } from '../../parts/collection-tabs.tsx'
import { type CollectionPlace, SettingsFrame } from './frame.tsx'
import { type CollectionSection, collectionSections, readSection } from './sections.ts'

const pages: Record<CollectionSection, ComponentType<CollectionPlace>> = {
  keys: lazyPart(() => import('./keys/page.tsx')),
  environment: lazyPart(() => import('./environment/page.tsx')),
  budgets: lazyPart(() => import('./limits/budgets.tsx')),
  pause: lazyPart(() => import('./pause/page.tsx')),
  retention: lazyPart(() => import('./retention/page.tsx')),
  storage: lazyPart(() => import('./storage/page.tsx')),
  calls: lazyPart(() => import('./limits/calls.tsx')),
  hooks: lazyPart(() => import('./hooks/page.tsx')),
  webhooks: lazyPart(() => import('./webhooks/page.tsx')),
  trial: lazyPart(() => import('./trial/page.tsx')),
  audit: lazyPart(() => import('./audit/page.tsx')),
  general: lazyPart(() => import('./general/page.tsx')),
}

/** What the server tells only to keys that may write. */
const needsWrite: readonly CollectionSection[] = ['keys', 'audit']

/** The settings of a collection. */
export const CollectionSettingsPage = () => {
  const { collection = '', section } = useParams({ strict: false }) as { collection?: string; section?: string }
  const mayWrite = useMayWrite()
  const shown = collectionSections.filter(([name]) => mayWrite || !needsWrite.includes(name))
  const current = readSection(shown, section)
  const Page = pages[current]
  useTitle(shown.find(([name]) => name === current)?.[1], collection)
  const sections = shown.map(([name, text]) => ({
    href: `/${encodeURIComponent(collection)}/-/settings/${name}`,
    text,
    isCurrent: name === current,
  }))
  return (
    <>
      <CollectionTabs collection={collection} current="settings" />
      <SettingsFrame label={`Settings of ${collection}`} sections={sections}>
        <Page key={collection} collection={collection} />
      </SettingsFrame>
    </>
  )
}
