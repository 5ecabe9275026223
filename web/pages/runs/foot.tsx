import { useNow } from '../../data/clock.ts'
import { shortMomentText } from '../../text/moment.ts'
import { Button } from '../../ui/button.tsx'
import type { RunList } from './query.ts'

/** Below the last row: more, which comes by itself where it is scrolled to; how far a search has looked; or that this is all. */
export const ListFoot = ({ list, left }: { list: RunList; left: string | undefined }) => {
  const now = useNow()
  if (list.isLoading) return null
  if (!list.hasMore) {
    const text = [list.runs.length > 20 && 'That is all.', left].filter(Boolean).join(' ')
    return text === '' ? null : <p className="p-3 text-center text-faint">{text}</p>
  }
  const looked = list.lookedUntil === null ? '' : ` Looked back to ${shortMomentText(list.lookedUntil, now)}.`
  if (list.isPaused) {
    return (
      <p className="flex items-center justify-center gap-3 p-3 text-muted">
        The search has paused.{looked}
        <Button onClick={list.resume}>Go on</Button>
      </p>
    )
  }
  if (!list.isSearch) {
    return (
      <p className="flex items-center justify-center p-3 text-muted">
        {list.isLoadingMore ? <span role="status">Loading…</span> : <Button onClick={list.more}>More runs</Button>}
      </p>
    )
  }
  return (
    <p className="flex items-center justify-center gap-3 p-3 text-muted">
      <span role="status">Searching…{looked}</span>
      <Button onClick={list.pause}>Stop</Button>
    </p>
  )
}
