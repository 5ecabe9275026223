import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { api } from '../data/api.ts'
import { keys } from '../data/keys.ts'
import { useVisible } from '../data/visible.ts'
import { countText } from '../text/count.ts'
import { StatusMark } from '../ui/status.tsx'

const askAgainMs = 15_000

/**
 * How many steps wait for a person, in all collections of the session; it leads to them. No stream has all collections,
 * so it asks again while somebody can see the tab; the page of a collection tells it of its own at once.
 */
export const WaitingMark = () => {
  const isVisible = useVisible()
  const { data } = useQuery({
    queryKey: [...keys.approvals, 'count'],
    queryFn: ({ signal }) => api.listAllApprovals({ query: { limit: 1 }, signal }),
    refetchInterval: isVisible ? askAgainMs : false,
    refetchOnWindowFocus: true,
  })
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
