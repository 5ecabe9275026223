import type { RoutineFires } from '../../../../src/model/routine-fires.ts'
import { Icon } from '../../../ui/icon.tsx'
import { Status } from '../../../ui/status.tsx'
import type { TaskPlaceProps } from '../place.ts'
import { fireTime } from './fire-time.ts'

type Fire = RoutineFires['past'][number]

/** A reason as a sentence begins. */
const sentence = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1)

/** What became of the last fires of a routine. */
export const PastFires = ({ place, fires, zone }: { place: TaskPlaceProps; fires: readonly Fire[]; zone: string }) => (
  <section>
    <h3 className="mb-1 font-medium text-12 text-muted">Before</h3>
    {fires.length === 0 && <p className="text-muted">It has not fired yet.</p>}
    <ul className="divide-y divide-line">
      {fires.map((fire) => (
        <li key={fire.time} className="flex items-baseline gap-4 py-1">
          <span className="w-36 shrink-0">{fireTime(fire.time, zone)}</span>
          <span className="min-w-0 flex-1">
            <Outcome fire={fire} />
          </span>
          {fire.trajectory_id && (
            <a
              className="text-accent"
              href={`/${encodeURIComponent(place.collection)}/${encodeURIComponent(place.task)}/${fire.trajectory_id}`}
            >
              {fire.trajectory_id}
            </a>
          )}
        </li>
      ))}
    </ul>
  </section>
)

const Outcome = ({ fire: { outcome, reason, status } }: { fire: Fire }) => {
  if (outcome === 'started')
    return status ? <Status of={status} /> : <span className="text-muted">Started; its run was deleted</span>
  if (outcome === 'waiting') return <Status of="waiting" />
  return (
    <span className="inline-flex gap-1.5">
      <Icon name="warning" className="mt-0.5 text-wait" />
      <span>
        {outcome === 'missed' ? 'Missed' : 'Skipped'}
        {reason && <span className="text-muted"> · {sentence(reason)}</span>}
      </span>
    </span>
  )
}
