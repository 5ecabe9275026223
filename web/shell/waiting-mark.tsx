import { useQuery } from '@tanstack/react-query'
import { Link, useLocation } from '@tanstack/react-router'
import { useEffect } from 'react'
import { api } from '../data/api.ts'
import { keys } from '../data/keys.ts'
import { useVisible } from '../data/visible.ts'
import { countText } from '../text/count.ts'
import { StatusMark } from '../ui/status.tsx'

const askAgainMs = 120_000
/** What is not older is not asked for again by another page. */
const freshMs = 15_000

/**
 * How many steps wait for a person, in all collections of the session; it leads to them. The stream of a collection tells
 * of its own at once. No stream has all collections: it asks again with another page, when the tab is looked at again, and
 * every two minutes while it is seen.
 */
export const WaitingMark = () => {
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
