import { useParams } from '@tanstack/react-router'
import { type ComponentType, lazy } from 'react'
import { useTitle } from '../../data/title.ts'
import { CollectionTabs } from '../../parts/collection-tabs.tsx'
import { SettingsFrame } from './frame.tsx'
import type { CollectionPlace } from './place.ts'
import { type CollectionSection, collectionSections, readSection } from './sections.ts'

const pages: Record<CollectionSection, ComponentType<CollectionPlace>> = {
  keys: lazy(() => import('./keys/page.tsx')),
  environment: lazy(() => import('./environment/page.tsx')),
  budgets: lazy(() => import('./limits/budgets.tsx')),
  retention: lazy(() => import('./limits/retention.tsx')),
  storage: lazy(() => import('./storage/page.tsx')),
  calls: lazy(() => import('./limits/calls.tsx')),
  webhooks: lazy(() => import('./webhooks/page.tsx')),
  trial: lazy(() => import('./trial/page.tsx')),
  audit: lazy(() => import('./audit/page.tsx')),
}

/** The settings of a collection. */
export const CollectionSettingsPage = () => {
  const { collection = '', section } = useParams({ strict: false }) as { collection?: string; section?: string }
  const current = readSection(collectionSections, section)
  const Page = pages[current]
  useTitle(collectionSections.find(([name]) => name === current)?.[1], collection)
  const sections = collectionSections.map(([name, text]) => ({
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
