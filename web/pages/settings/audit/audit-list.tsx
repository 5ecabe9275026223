import { useInfiniteQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { api } from '../../../data/api.ts'
import { Problem } from '../../../parts/problem.tsx'
import { momentText } from '../../../text/moment.ts'
import { Button } from '../../../ui/button.tsx'
import { AuditFilters } from './audit-filters.tsx'
import { AuditLine } from './audit-line.tsx'
import { auditQuery, noAuditFilters } from './audit-query.ts'

const pageSize = 50

/** The entries of an audit trail: of a collection, or of the whole server. */
export const AuditList = ({ collection }: { collection: string | undefined }) => {
  const [filters, setFilters] = useState(noAuditFilters)
  const query = auditQuery(filters)
  const list = useInfiniteQuery({
    queryKey: ['audit', collection ?? '', query],
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam, signal }) => {
      const asked = { ...query, limit: pageSize, ...(pageParam === undefined ? {} : { cursor: pageParam }) }
      return collection === undefined
        ? api.listServerAudit({ query: asked, signal })
        : api.listAudit({ params: { collection }, query: asked, signal })
    },
    getNextPageParam: ({ next_cursor: next }) => next ?? undefined,
  })
  const entries = list.data?.pages.flatMap((page) => page.entries) ?? []
  const lookedUntil = list.data?.pages.at(-1)?.looked_until
  return (
    <>
      <AuditFilters filters={filters} onChange={setFilters} />
      {list.error && <Problem error={list.error} onRetry={() => void list.refetch()} />}
      {list.isSuccess && entries.length === 0 && (
        <p className="text-muted">
          {list.hasNextPage ? 'Nothing among the newest entries fits.' : 'Nothing fits, or nothing was changed yet.'}
        </p>
      )}
      {entries.length > 0 && (
        <ul aria-label="Changes" className="divide-y divide-line border-line border-y">
          {entries.map((entry) => (
            <AuditLine key={entry.id} entry={entry} hasCollection={collection === undefined} />
          ))}
        </ul>
      )}
      {list.hasNextPage && (
        <div className="flex items-center gap-3">
          <Button disabled={list.isFetching} onClick={() => void list.fetchNextPage()}>
            Go on
          </Button>
          {lookedUntil && <span className="text-muted">looked back to {momentText(lookedUntil)}</span>}
        </div>
      )}
    </>
  )
}
