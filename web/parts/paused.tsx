import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import type { CollectionPauses } from '../../src/model/collections/collection.ts'
import { api } from '../data/api.ts'
import { useNow } from '../data/clock.ts'
import { keys } from '../data/keys.ts'
import { agoText } from '../text/times.ts'
import { StatusMark } from '../ui/status.tsx'

/** Whether a collection is paused, by whom and why. */
export const usePauses = (collection: string) =>
  useQuery({
    queryKey: keys.pauses(collection),
    queryFn: ({ signal }) => api.getCollectionPauses({ params: { collection }, signal }),
  })

/** One sentence for each pause: who, when and why. */
export const PauseList = ({ pauses }: Pick<CollectionPauses, 'pauses'>) => {
  const now = useNow()
  return (
    <ul aria-label="Pauses">
      {pauses.map(({ by, author, reason, at }) => (
        <li key={by} className="[overflow-wrap:anywhere]">
          Paused by {by === 'operator' ? 'the operator of the server' : author} {agoText(at, now)}
          {reason ? `: ${reason}` : ''}
        </li>
      ))}
    </ul>
  )
}

/** Says above the overview of a collection that it is paused. */
export const PausedNote = ({ collection }: { collection: string }) => {
  const { data } = usePauses(collection)
  if (!data?.paused) return null
  return (
    <section role="status" className="flex flex-wrap items-start gap-3 rounded-m border border-wait px-3 py-2">
      <StatusMark of="waiting" className="mt-[3px]" />
      <div className="min-w-60 flex-1">
        <p className="font-medium">This collection is paused</p>
        <PauseList pauses={data.pauses} />
        <p className="text-muted">Accepted runs wait before their next step. New runs and calls are refused.</p>
      </div>
      <Link to="/$collection/-/settings/$section" params={{ collection, section: 'pause' }} className="text-accent">
        Resume
      </Link>
    </section>
  )
}
