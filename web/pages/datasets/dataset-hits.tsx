import { useQuery } from '@tanstack/react-query'
import { useDeferredValue } from 'react'
import { api } from '../../data/api.ts'
import { datasetHref, PageLink } from '../../parts/page-link.tsx'
import { Problem } from '../../parts/problem.tsx'
import { Badge } from '../../ui/badge.tsx'

const mostHits = 50

/** Datasets whose names, descriptions or metadata have a text: of all collections that this person sees, own ones first. */
export const DatasetHits = ({ collection, text }: { collection: string; text: string }) => {
  const q = useDeferredValue(text.trim())
  const found = useQuery({
    queryKey: ['dataset-search', q],
    queryFn: ({ signal }) => api.searchDatasets({ query: { q, limit: mostHits }, signal }),
    placeholderData: (was) => was,
  })
  if (found.error) return <Problem error={found.error} onRetry={() => void found.refetch()} />
  if (!found.data) return null
  const hits = found.data.hits
    .map(({ document }) => document)
    .toSorted((a, b) => Number(b.collection_name === collection) - Number(a.collection_name === collection))
  if (hits.length === 0) return <p className="px-2 text-muted">No dataset has this text.</p>
  return (
    <>
      <ul aria-label="Datasets that were found" className="divide-y divide-line border-line border-y">
        {hits.map(({ collection_name: place, entity_name: name, description, is_private: isPrivate }) => (
          <li key={`${place}/${name}`}>
            <PageLink
              href={datasetHref(place, name)}
              className="flex flex-wrap items-center gap-x-4 gap-y-1 px-2 py-2 hover:bg-sunk"
            >
              <span className="min-w-48 flex-1">
                <span className="block truncate font-medium">
                  {place === collection ? '' : `${place} / `}
                  {name}
                </span>
                <span className="block truncate text-12 text-muted">{description}</span>
              </span>
              <Badge>{isPrivate ? 'private' : 'public'}</Badge>
            </PageLink>
          </li>
        ))}
      </ul>
      {hits.length === mostHits && (
        <p className="px-2 text-12 text-muted">These are the first {mostHits}. Write more of the text.</p>
      )}
    </>
  )
}
