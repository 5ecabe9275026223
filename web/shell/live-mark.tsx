import { useServerAway } from '../data/server-away.ts'
import { type StreamState, useStreamState } from '../data/stream.ts'
import { Tooltip } from '../ui/tooltip.tsx'

const looks: Record<Exclude<StreamState, 'off'>, { text: string; dot: string; more: string }> = {
  connecting: { text: 'connecting', dot: 'bg-idle', more: 'The page asks the server for changes.' },
  live: { text: 'live', dot: 'bg-ok', more: 'What changes appears by itself.' },
  broken: { text: 'reconnecting', dot: 'bg-wait', more: 'The connection broke off; it goes on where it was.' },
  stopped: { text: 'stopped', dot: 'bg-idle', more: 'The page does not change. Press . to follow again.' },
  paused: { text: 'paused', dot: 'bg-idle', more: 'A tab that nobody sees does not follow.' },
}

/** Whether what the page shows is followed. */
export const LiveMark = () => {
  const state = useStreamState()
  const isAway = useServerAway()
  if (state === 'off') return null
  const { text, dot, more } = looks[isAway && state !== 'stopped' ? 'broken' : state]
  return (
    <Tooltip text={more}>
      <span className="inline-flex items-center gap-1.5 px-1 text-12 text-muted">
        <span className={`size-1.5 rounded-full ${dot}`} />
        <span className="max-sm:sr-only">{text}</span>
      </span>
    </Tooltip>
  )
}
