import { useNow } from '../../data/clock.ts'
import { shortMomentText } from '../../text/moment.ts'
import { Button } from '../../ui/button.tsx'
import type { RunList } from './query.ts'

/** Below the last row: that more is being loaded, how far back a search has looked, or that this is all. */
export const ListFoot = ({ list }: { list: RunList }) => {
  const now = useNow()
  if (list.isLoading) return null
  if (list.isLoadingMore) {
    return (
      <p role="status" className="p-3 text-center text-muted">
        Looking further back…
      </p>
    )
  }
  if (!list.hasMore) return list.runs.length > 20 ? <p className="p-3 text-center text-faint">That is all.</p> : null
  return (
    <p className="flex items-center justify-center gap-3 p-3 text-muted">
      {list.lookedUntil !== null && <span>Looked back to {shortMomentText(list.lookedUntil, now)}</span>}
      <Button onClick={list.more}>Go on</Button>
    </p>
  )
}
