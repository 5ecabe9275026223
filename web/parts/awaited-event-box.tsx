import type { RunAddress, RunStep } from '../data/run.ts'
import { useWholeStep } from '../data/step.ts'
import { agoText } from '../text/ago.ts'
import { CopyLine } from '../ui/copy.tsx'
import { sendEventCommand, sendEventRequest } from './run-commands.ts'

/** Says which event a step waits for, and how to send it. */
export const AwaitedEventBox = ({ place, step }: { place: RunAddress; step: RunStep }) => {
  const { data: whole } = useWholeStep(place, step.key)
  const begun = whole?.logs?.findLast(({ type }) => type === 'event_awaited')
  if (!begun) return null
  const { event, key, expires_at: expiresAt } = begun.attributes
  const awaited = { collection: place.collection, event: String(event), key: String(key) }
  return (
    <div className="flex flex-col gap-2 rounded-m border border-wait p-3">
      <p className="[overflow-wrap:anywhere]">
        Waits for event <code className="font-mono">{awaited.event}</code> with key{' '}
        <code className="font-mono">{awaited.key}</code>
      </p>
      <p className="text-12 text-muted">
        Waits since {agoText(begun.timestamp, Date.now())}
        {typeof expiresAt === 'string' ? `, and stops ${agoText(expiresAt, Date.now())}.` : '.'}
      </p>
      <CopyLine text={sendEventCommand(awaited)} />
      <CopyLine text={sendEventRequest(awaited, window.location.origin)} />
    </div>
  )
}
