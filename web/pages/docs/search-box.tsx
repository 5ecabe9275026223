import { useQuery } from '@tanstack/react-query'
import { useRouter } from '@tanstack/react-router'
import { type KeyboardEvent, useId, useState } from 'react'
import { PageLink } from '../../parts/page-link.tsx'
import { errorText } from '../../parts/problem.tsx'
import { TextField } from '../../ui/field.tsx'
import { docSearchQuery } from './queries.ts'

interface Match {
  page: string
  anchor: string | null
}

const matchHref = ({ page, anchor }: Match): string =>
  `${page === 'README' ? '/docs' : `/docs/${page}`}${anchor === null ? '' : `#${anchor}`}`

/** Searches all pages while somebody types; Enter opens the first match. */
export const DocSearch = ({ className = '' }: { className?: string }) => {
  const [q, setQ] = useState('')
  const router = useRouter()
  const id = useId()
  const { data, error } = useQuery(docSearchQuery(q))
  const matches = q.trim() === '' ? undefined : data?.matches
  const first = matches?.[0]
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === 'Escape') setQ('')
    if (event.key !== 'Enter' || !first) return
    setQ('')
    void router.navigate({ href: matchHref(first) })
  }
  return (
    <div className={`relative w-80 max-w-full ${className}`}>
      <TextField
        label="Search the documentation"
        hidesLabel
        type="search"
        placeholder="Search the documentation"
        value={q}
        aria-controls={id}
        onChange={(event) => setQ(event.target.value)}
        onKeyDown={onKeyDown}
      />
      <div
        id={id}
        role="region"
        aria-label="Found sections"
        aria-live="polite"
        className={`absolute right-0 z-20 mt-1 max-h-[70vh] overflow-auto max-md:left-0 md:w-120 rounded-l border border-line bg-raised p-1 shadow-float ${matches || error ? '' : 'hidden'}`}
      >
        {error && <p className="p-2 text-bad [overflow-wrap:anywhere]">{errorText(error)}</p>}
        {matches?.length === 0 && <p className="p-2 text-muted">No section has all of these words.</p>}
        {matches?.map((match) => (
          <PageLink
            key={matchHref(match)}
            href={matchHref(match)}
            onClick={() => setQ('')}
            className="block rounded-m px-2 py-1.5 hover:bg-sunk focus:bg-selection"
          >
            <span className="font-medium">{match.title}</span>
            {match.heading !== null && <span className="text-muted"> · {match.heading}</span>}
            <span className="block truncate text-12 text-muted">{match.excerpt}</span>
          </PageLink>
        ))}
      </div>
    </div>
  )
}
