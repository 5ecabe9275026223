import type { RunSummary } from '../../../../src/model/runs/trajectory.ts'
import { PageLink, runHref } from '../../../parts/page-link.tsx'
import { durationText } from '../../../text/duration.ts'
import { StatusMark, statusWord } from '../../../ui/status.tsx'

const most = 60

/** The steps that have begun, with their share of the time; a long list keeps what failed and what came last. */
export const PeekSteps = ({ run }: { run: RunSummary }) => {
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
