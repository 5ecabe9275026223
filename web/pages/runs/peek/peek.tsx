import { useQuery } from '@tanstack/react-query'
import type { CollectionRun } from '../../../../src/model/runs/collection-run.ts'
import type { RunSummary } from '../../../../src/model/runs/trajectory.ts'
import { api } from '../../../data/api.ts'
import { useNow } from '../../../data/clock.ts'
import { keys } from '../../../data/keys.ts'
import { useMayWrite } from '../../../data/whoami.ts'
import { Decide } from '../../../parts/decide.tsx'
import { plainText } from '../../../parts/log/plain-text.ts'
import { PageLink, runHref } from '../../../parts/page-link.tsx'
import { Problem } from '../../../parts/problem.tsx'
import { remedyOf } from '../../../parts/remedy.ts'
import { errorColour, hasEnded, personText, statusOfRun } from '../../../parts/status-of-run.ts'
import { agoText, durationText, momentText } from '../../../text/times.ts'
import { buttonClass, IconButton } from '../../../ui/button.tsx'
import { CopyLine } from '../../../ui/copy.tsx'
import { Status, StatusMark, statusWord } from '../../../ui/status.tsx'
import { Cost, Labels, Version } from '../table/cells.tsx'
import { secondsOf } from '../table/row.tsx'

const most = 60

/** The steps that have begun, with their share of the time; a long list keeps what failed and what came last. */
const PeekSteps = ({ run }: { run: RunSummary }) => {
  const steps = Object.values(run.steps)
  const longest = Math.max(0.001, ...steps.map(({ duration_seconds: seconds }) => seconds ?? 0))
  const shown =
    steps.length <= most ? steps : steps.filter(({ status }, at) => status === 'failed' || at >= steps.length - most)
  const left = run.total_steps.filter((name) => !(name in run.steps)).length
  if (steps.length === 0) return <p className="text-muted">No step has begun yet.</p>
  return (
    <section aria-label="Steps">
      {shown.length < steps.length && (
        <p className="mb-1 text-12 text-faint">{steps.length - shown.length} completed steps before</p>
      )}
      <ul>
        {shown.map(({ key, activity, status, duration_seconds: seconds }) => (
          <li key={key}>
            <PageLink
              href={runHref(run, key)}
              className="grid grid-cols-[0.875rem_minmax(0,1fr)_4rem_4.5rem] items-center gap-2 rounded-s px-1 py-0.5 hover:bg-sunk"
            >
              <StatusMark of={status} label={statusWord(status)} />
              <span className="truncate">
                {key} <span className="text-12 text-faint">{activity}</span>
              </span>
              <span className="h-1 rounded-s bg-sunk">
                <span
                  className="block h-1 rounded-s bg-idle"
                  style={{ width: `${((seconds ?? 0) / longest) * 100}%` }}
                />
              </span>
              <span className="text-right text-12 text-muted">{durationText(seconds)}</span>
            </PageLink>
          </li>
        ))}
      </ul>
      {left > 0 && <p className="mt-1 text-12 text-faint">{left} not begun</p>}
    </section>
  )
}

interface PeekProps {
  run: CollectionRun
  onClose: () => void
}

/** A look at a run beside the list: how it is, what failed, where the time went. */
export const Peek = ({ run, onClose }: PeekProps) => {
  const { collection, task, trajectory_id: id } = run
  const now = useNow()
  const mayWrite = useMayWrite()
  // The row says when the run has changed; its steps are asked for again then.
  const changed = `${run.status} ${run.steps.done} ${run.waiting?.map(({ step }) => step)}`
  const whole = useQuery({
    queryKey: [...keys.run(collection, task, id), 'peek', changed],
    queryFn: ({ signal }) =>
      api.getTrajectory({ params: { collection, task, trajectory_id: id }, query: { view: 'summary' }, signal }),
    placeholderData: (before) => (before?.trajectory_id === id ? before : undefined),
    staleTime: 30_000,
  })
  const facts: [string, React.ReactNode][] = [
    ['Task', task],
    ['Started', `${momentText(run.created)} · ${agoText(run.created, now)}`],
    ['Duration', durationText(secondsOf(run, now))],
    ['Cost', <Cost key="cost" run={run} />],
    ['Version', <Version key="version" run={run} />],
    ['By', personText(run.author)],
  ]
  return (
    <div className="flex min-h-full flex-col">
      <header className="sticky top-0 z-10 flex items-center gap-3 border-line border-b bg-bg py-2 pr-2 pl-4">
        <Status of={statusOfRun(run)} />
        <span className="min-w-0 flex-1 truncate font-mono text-12">{id}</span>
        <PageLink href={runHref(run)} className={buttonClass('plain')}>
          Open
        </PageLink>
        <IconButton icon="cross" label="Close" onClick={onClose} />
      </header>
      <div className="flex flex-col gap-4 p-4">
        {run.error !== null && (
          <div className="rounded-l border border-line p-3">
            <p className={`break-words ${errorColour(run)}`}>{plainText(run.error)}</p>
            {hintOf(whole.data) && <p className="mt-1 break-words text-muted">{hintOf(whole.data)}</p>}
          </div>
        )}
        {!hasEnded(run) &&
          run.waiting?.map((waiting) => (
            <Decide key={`${id} ${waiting.step}`} run={run} waiting={waiting} mayWrite={mayWrite} />
          ))}
        <dl className="grid grid-cols-[5rem_minmax(0,1fr)] gap-x-4 gap-y-1">
          {facts.map(([name, value]) => (
            <div key={name} className="contents">
              <dt className="text-muted">{name}</dt>
              <dd className="truncate">{value}</dd>
            </div>
          ))}
        </dl>
        {run.labels.length > 0 && (
          <div className="flex flex-wrap gap-1">
            <Labels run={run} />
          </div>
        )}
        {whole.error && <Problem error={whole.error} onRetry={() => void whole.refetch()} />}
        {whole.data && <PeekSteps run={whole.data} />}
        <CopyLine text={`jetty runs get ${collection}/${task}/${id}`} />
      </div>
    </div>
  )
}

/** What to do about the failure, as its step or the run says. */
const hintOf = (run: RunSummary | undefined): string | undefined => {
  if (!run) return undefined
  const failed = Object.values(run.steps).find(({ status }) => status === 'failed')
  const error = failed?.error_detail ?? run.error_detail
  return error ? remedyOf(error) : undefined
}
