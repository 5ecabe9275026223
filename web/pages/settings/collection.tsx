import { useParams } from '@tanstack/react-router'
import { type ComponentType, lazy } from 'react'
import { useTitle } from '../../data/title.ts'
import { useMayWrite } from '../../data/whoami.ts'
import { CollectionTabs } from '../../parts/collection-tabs.tsx'
import { SettingsFrame } from './frame.tsx'
import type { CollectionPlace } from './place.ts'
import { type CollectionSection, collectionSections, readSection } from './sections.ts'

const pages: Record<CollectionSection, ComponentType<CollectionPlace>> = {
  keys: lazy(() => import('./keys/page.tsx')),
  environment: lazy(() => import('./environment/page.tsx')),
  budgets: lazy(() => import('./limits/budgets.tsx')),
  retention: lazy(() => import('./retention/page.tsx')),
  storage: lazy(() => import('./storage/page.tsx')),
  calls: lazy(() => import('./limits/calls.tsx')),
  webhooks: lazy(() => import('./webhooks/page.tsx')),
  trial: lazy(() => import('./trial/page.tsx')),
  audit: lazy(() => import('./audit/page.tsx')),
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
