import type { SystemState } from '../../../../src/model/system.ts'
import { useNow } from '../../../data/clock.ts'
import { Problem } from '../../../parts/problem.tsx'
import { bytesText } from '../../../text/numbers.ts'
import { agoText, durationText } from '../../../text/times.ts'
import { CommandLines, SettingsHeading } from '../frame.tsx'
import { CheckList, Facts } from './facts.tsx'
import { useSystem } from './system-query.ts'

const mostCounted = 10_000
const countedText = (count: number): string => (count >= mostCounted ? '10,000 or more' : count.toLocaleString('en-US'))

/** Whether the server is well, what waits, and who works it off. */
const StatusPage = () => {
  const system = useSystem()
  return (
    <>
      <SettingsHeading title="Health and queue">
        What the server found about itself a moment ago. The page asks again every ten seconds.
      </SettingsHeading>
      {system.error && <Problem error={system.error} onRetry={() => void system.refetch()} />}
      {system.data && (
        <>
          <CheckList label="Checks" checks={system.data.checks} />
          <Queue queue={system.data.queue} />
          <Process process={system.data.process} />
        </>
      )}
      <CommandLines lines={['jetty doctor', 'jetty api getSystem']} />
    </>
  )
}

const Queue = ({ queue }: { queue: SystemState['queue'] }) => {
  const now = useNow()
  const oldest = queue.oldest_queued_at === null ? '' : `, the oldest from ${agoText(queue.oldest_queued_at, now)}`
  return (
    <section aria-labelledby="queue" className="flex flex-col gap-2">
      <h2 id="queue" className="font-semibold text-15">
        Queue
      </h2>
      <Facts
        rows={[
          ['Runs that have not ended', countedText(queue.open_runs)],
          ['Batches that wait for a worker', `${countedText(queue.queued)}${oldest}`],
          ['Runs that wait for a time, a person or child runs', countedText(queue.parked)],
          ['Webhooks to be delivered', countedText(queue.webhooks)],
          ['Steps that this process executes', `${queue.steps} of ${queue.slots}`],
          ['Runbooks at work here', String(queue.runbooks.working)],
          ['Runbooks that wait for a sandbox here', String(queue.runbooks.waiting)],
        ]}
      />
      <h3 className="mt-2 font-medium text-12 text-muted">Processes that execute runs</h3>
      <ul>
        {queue.workers.map(({ id, seen_at: seen, is_alive: isAlive, labels }) => (
          <li key={id} className="flex flex-wrap gap-x-4">
            <span className="break-all font-mono text-12">{id}</span>
            {labels.length > 0 && <span className="text-muted">{labels.join(', ')}</span>}
            <span className={isAlive ? 'text-muted' : 'text-bad'}>
              {isAlive ? 'works' : `last seen ${agoText(seen, now)}`}
            </span>
          </li>
        ))}
        {queue.workers.length === 0 && <li className="text-muted">None: runs wait until one is started.</li>}
      </ul>
    </section>
  )
}

const Process = ({ process }: { process: SystemState['process'] }) => (
  <section aria-labelledby="process" className="flex flex-col gap-2">
    <h2 id="process" className="font-semibold text-15">
      The process that answered
    </h2>
    <Facts
      rows={[
        ['Version', process.version],
        ['Role', process.role],
        ['Node', process.node],
        ['Runs since', durationText(process.uptime_seconds)],
        ['Memory', bytesText(process.memory_bytes)],
        [
          'Database connections: used, idle, calls that wait',
          `${process.connections.used}, ${process.connections.idle}, ${process.connections.waiting}`,
        ],
      ]}
    />
  </section>
)

export default StatusPage
