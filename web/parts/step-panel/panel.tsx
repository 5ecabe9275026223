import type { ReactNode } from 'react'
import { isCarriedOver, type Run, type RunAddress, type RunStep, type WholeStep } from '../../data/run.ts'
import { useWholeStep } from '../../data/step.ts'
import { durationText } from '../../text/duration.ts'
import { StatusMark, statusWord } from '../../ui/status.tsx'
import { Tabs } from '../../ui/tabs.tsx'
import { jobText } from '../job-text.ts'
import { JsonTree } from '../json-tree/json-tree.tsx'
import { Problem } from '../problem.tsx'
import { statusOfStep } from '../status-of-step.ts'
import { Attempts } from './attempts.tsx'
import { ErrorBox } from './error-box.tsx'
import { Inputs } from './inputs.tsx'
import { LogOfStep } from './log-of-step.tsx'
import { Outputs } from './outputs.tsx'
import { type PanelName, panelTabs, shownPanel } from './panel-tabs.ts'
import { RunsOfStep } from './runs-of-step.tsx'
import { hasTools } from './tool-outputs.tsx'

interface PanelProps {
  run: Run
  place: RunAddress
  step: RunStep
  wanted: string | undefined
  onSelect: (panel: PanelName) => void
  onChoose: (step: string) => void
  /** Stands at the right of the name: what can be done with the step. */
  actions: ReactNode
  /** Stands above the tabs: a decision or an event that the step waits for. */
  decision: ReactNode
}

/** One step: why it failed, what it read, what it made. */
export const StepPanel = ({ run, place, step, wanted, onSelect, onChoose, actions, decision }: PanelProps) => {
  const { data: whole } = useWholeStep(place, step.key)
  const shown = shownPanel(step, wanted, whole && hasTools(whole))
  return (
    <div className="flex h-full min-h-0 flex-col">
      <header className="flex items-start gap-2 px-4 pt-3">
        <StatusMark of={statusOfStep(step)} label={statusWord(statusOfStep(step))} className="mt-1" />
        <div className="min-w-0 flex-1">
          <h2 className="font-semibold text-15 [overflow-wrap:anywhere]">{step.key}</h2>
          <p className="text-12 text-muted">{factsOf(run, step)}</p>
        </div>
        {actions}
      </header>
      {decision}
      <Tabs
        label="Parts of the step"
        tabs={panelTabs(step)}
        current={shown}
        onSelect={onSelect}
        className="mt-1 shrink-0 border-line border-b px-4"
      />
      <div role="tabpanel" aria-label={shown} className="min-h-0 flex-1 overflow-auto p-4 has-[[role=log]]:p-0">
        <Body run={run} place={place} step={step} shown={shown} onChoose={onChoose} />
      </div>
    </div>
  )
}

const factsOf = (run: Run, step: RunStep): string =>
  [
    step.activity,
    step.duration_seconds === null ? undefined : durationText(step.duration_seconds),
    step.job ? jobText(step.job) : undefined,
    step.attempt > 1 ? `attempt ${step.attempt}` : undefined,
    isCarriedOver(run, step) ? 'carried over from an earlier run' : undefined,
  ]
    .filter((fact) => fact !== undefined)
    .join(' · ')

interface BodyProps {
  run: Run
  place: RunAddress
  step: RunStep
  shown: PanelName
  onChoose: (step: string) => void
}

const Body = ({ run, place, step, shown, onChoose }: BodyProps) => {
  const { data: whole, error, refetch } = useWholeStep(place, step.key)
  if (shown === 'error') return <ErrorBox error={step.error_detail} message={step.error ?? ''} />
  if (shown === 'log') return <LogOfStep run={run} place={place} step={step.key} />
  if (shown === 'runs') return <RunsOfStep place={place} step={step} />
  if (error && !whole) return <Problem error={error} onRetry={() => void refetch()} />
  if (!whole) return <p className="text-muted">Loading…</p>
  return <WholeBody run={run} place={place} whole={whole} shown={shown} onChoose={onChoose} />
}

const WholeBody = ({ run, place, whole, shown, onChoose }: Omit<BodyProps, 'step'> & { whole: WholeStep }) => {
  // The tree keeps what is open: another step begins anew.
  const key = whole.key
  if (shown === 'input') return <Inputs key={key} step={whole} place={place} onChoose={onChoose} />
  if (shown === 'config') return <JsonTree key={key} value={whole.config} path={`${whole.key}.config`} label="config" />
  if (shown === 'attempts') return <Attempts attempts={whole.attempts ?? []} />
  const initParams = run.large_values.length === 0 ? (run.init_params as Record<string, unknown>) : {}
  return <Outputs key={key} step={whole} place={place} initParams={initParams} />
}
