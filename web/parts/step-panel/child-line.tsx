import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import type { CollectionRun } from '../../../src/model/runs/collection-run.ts'
import { isOpen as isRunOpen, stepsInOrder } from '../../data/run.ts'
import { runQuery } from '../../data/run-query.ts'
import { countText } from '../../text/count.ts'
import { durationText } from '../../text/duration.ts'
import { IconButton } from '../../ui/button.tsx'
import { StatusMark, statusWord } from '../../ui/status.tsx'
import { Problem } from '../problem.tsx'
import { statusOfRun } from '../status-of-run.ts'
import { statusOfStep } from '../status-of-step.ts'
import { Bar } from '../timeline/bar.tsx'
import { stretchesOf } from '../timeline/stretches.ts'
import type { TimeScale } from '../timeline/time-scale.ts'
import { stretchesOfRun } from './child-runs.ts'

/** Columns: what opens it, status, name, bar, duration. */
const grid = 'grid grid-cols-[1.75rem_1rem_minmax(6rem,1.6fr)_minmax(0,1fr)_4rem] items-center gap-2'

/** How many steps of a run are shown; its own page shows all. */
const mostSteps = 100
const readAgainMs = 2_000

interface ChildLineProps {
  run: CollectionRun
  /** What tells it from the others. */
  text: string
  scale: TimeScale
  now: number
  isOpen: boolean
  onToggle: () => void
}

/** A run on the time scale of the step that started it; opened, its steps follow on the same scale. */
export const ChildLine = ({ run, text, scale, now, isOpen, onToggle }: ChildLineProps) => {
  const { collection, task, trajectory_id: id } = run
  const status = statusOfRun(run)
  return (
    <li>
      <div className={`${grid} h-7 rounded-s hover:bg-sunk`}>
        <IconButton
          icon={isOpen ? 'down' : 'right'}
          label={`Steps of ${text || id}`}
          aria-expanded={isOpen}
          onClick={onToggle}
        />
        <StatusMark of={status} label={statusWord(status)} />
        <Link
          to="/$collection/$task/$id"
          params={{ collection, task, id }}
          title={[text, id].filter(Boolean).join(' · ')}
          className="truncate text-12 text-accent"
        >
          {text !== '' && <span className="mr-2">{text}</span>}
          <span className={`font-mono ${text === '' ? '' : 'text-faint'}`}>{id}</span>
        </Link>
        <span className="relative h-full">
          <Bar stretches={stretchesOfRun(run, now)} scale={scale} status={status} />
        </span>
        <span className="text-right text-12 text-muted">{durationText(run.duration_seconds)}</span>
      </div>
      {run.error !== null && (
        <p className="truncate pl-13 text-12 text-bad" title={run.error}>
          {run.error}
        </p>
      )}
      {isOpen && <StepsOfChild run={run} scale={scale} now={now} />}
    </li>
  )
}

const StepsOfChild = ({ run, scale, now }: Pick<ChildLineProps, 'run' | 'scale' | 'now'>) => {
  const { collection, task, trajectory_id: id, status } = run
  const place = { collection, task, id }
  const { queryKey, queryFn } = runQuery(place)
  // The list tells when the run goes on: another status reads its steps once more.
  const { data, error, refetch } = useQuery({
    queryKey: [...queryKey, 'child', status],
    queryFn,
    gcTime: 60_000,
    refetchInterval: isRunOpen(run) ? readAgainMs : false,
  })
  if (error && !data) return <Problem error={error} onRetry={() => void refetch()} />
  if (!data) return <p className="pl-13 text-12 text-muted">Loading…</p>
  const steps = stepsInOrder(data)
  return (
    <ul className="mb-1 border-line border-l pl-2" aria-label={`Steps of ${id}`}>
      {steps.slice(0, mostSteps).map((step) => (
        <li key={step.key} className={`${grid} h-7`}>
          <span />
          <StatusMark of={statusOfStep(step)} label={statusWord(statusOfStep(step))} />
          <Link
            to="/$collection/$task/$id"
            params={place}
            search={{ step: step.key } as never}
            className="truncate text-12 hover:underline"
          >
            {step.key}
          </Link>
          <span className="relative h-full">
            <Bar stretches={stretchesOf(step, now)} scale={scale} status={step.status} />
          </span>
          <span className="text-right text-12 text-muted">{durationText(step.duration_seconds)}</span>
        </li>
      ))}
      {steps.length > mostSteps && (
        <li className="pl-9 text-12 text-muted">
          The first {mostSteps} of {countText(steps.length)} steps
        </li>
      )}
    </ul>
  )
}
