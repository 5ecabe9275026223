import type { ReactNode } from 'react'
import type { ErrorRecord } from '../../../src/model/runs/error-record.ts'
import type { LargeValue } from '../../../src/model/runs/step.ts'
import type { StepAttempt } from '../../../src/model/runs/step-attempts.ts'
import { isCarriedOver, type Run, type RunAddress, type RunStep, type WholeStep } from '../../data/run.ts'
import { useStepLog } from '../../data/run-log.ts'
import { useWholeStep } from '../../data/step.ts'
import { durationText } from '../../text/duration.ts'
import { clockText } from '../../text/moment.ts'
import { StatusMark, statusWord } from '../../ui/status.tsx'
import { Tabs } from '../../ui/tabs.tsx'
import { jobText } from '../job-text.ts'
import { JsonTree } from '../json-tree/json-tree.tsx'
import { Log } from '../log/log.tsx'
import { plainText } from '../log/plain-text.ts'
import { Problem } from '../problem.tsx'
import { outlookOf, remedyOf } from '../remedy.ts'
import { statusOfStep } from '../status-of-step.ts'
import { largeMembers } from './large-members.ts'
import { Outputs } from './outputs.tsx'
import { type PanelName, panelTabs, shownPanel } from './panel-tabs.ts'
import { RunsOfStep } from './runs-of-step.tsx'
import { hasTools } from './tool-outputs.tsx'
import { LargeValueBox, ValueBox } from './value-box.tsx'

/** Parameters of a step beside the expressions that they came from. */
const Inputs = ({
  step,
  place,
  onChoose,
}: {
  step: WholeStep
  place: RunAddress
  onChoose: (step: string) => void
}) => {
  const large = largeMembers(step.large_values, 'inputs')
  const path = `${step.key}.inputs`
  if (large === 'whole') {
    const reference = step.inputs as unknown as LargeValue
    return <LargeValueBox reference={reference} place={place} step={step.key} of="inputs" path={path} label="input" />
  }
  const names = Object.keys(step.inputs)
  if (names.length === 0) return <p className="text-muted">This step takes no parameters.</p>
  return (
    <dl className="flex flex-col">
      {names.map((name) => (
        <div key={name} className="flex flex-col gap-1 border-line border-b py-2 last:border-0">
          <dt
            className={`flex min-w-0 gap-x-3 ${isLong(step.origins[name]) ? 'flex-col' : 'flex-wrap items-baseline'}`}
          >
            <span className="font-mono text-12">{name}</span>
            <Origin text={step.origins[name]} onChoose={onChoose} />
          </dt>
          <dd className="min-w-0">
            {large.includes(name) ? (
              <LargeValueBox
                reference={step.inputs[name] as LargeValue}
                place={place}
                step={step.key}
                of="inputs"
                member={name}
                path={`${path}.${name}`}
                label={name}
              />
            ) : (
              <ValueBox value={step.inputs[name]} path={`${path}.${name}`} label={name} />
            )}
          </dd>
        </div>
      ))}
    </dl>
  )
}

const isLong = (origin: string | undefined): boolean =>
  origin !== undefined && (origin.includes('\n') || origin.length > 50)

const firstName = /^\s*([A-Za-z_][A-Za-z0-9_-]*)/
const notSteps = ['init_params', 'env', 'callbacks']

/** The expression, with a way to the step that it reads first. */
const Origin = ({ text, onChoose }: { text: string | undefined; onChoose: (step: string) => void }) => {
  if (text === undefined) return <span className="text-11 text-faint">literal or default</span>
  const shown = (
    <code className="min-w-0 whitespace-pre-wrap font-mono text-12 text-muted [overflow-wrap:anywhere]">{text}</code>
  )
  const step = firstName.exec(text.replace(/^[^{]*\{\{/, ''))?.[1]
  if (step === undefined || notSteps.includes(step) || /[{[]/.test(text[0] ?? '')) return shown
  return (
    <button
      type="button"
      title={`Go to ${step}`}
      onClick={() => onChoose(step)}
      className="min-w-0 text-left hover:underline"
    >
      {shown}
    </button>
  )
}

/** An error: what happened, why, and what to do next. */
const ErrorBox = ({ error, message }: { error: ErrorRecord | undefined; message: string }) => (
  <div className="flex flex-col gap-2">
    <p className="whitespace-pre-wrap text-bad [overflow-wrap:anywhere]">{plainText(error?.message ?? message)}</p>
    {error && remedyOf(error) !== undefined && (
      <p className="[overflow-wrap:anywhere]">
        <span className="font-medium">What to do: </span>
        {plainText(remedyOf(error) ?? '')}
      </p>
    )}
    {error?.cause && !error.message.includes(error.cause) && (
      <p className="whitespace-pre-wrap text-muted [overflow-wrap:anywhere]">Cause: {plainText(error.cause)}</p>
    )}
    {error && (
      <p className="text-12 text-muted">
        <code className="font-mono">{error.code}</code>
        {` · ${outlookOf(error)}`}
      </p>
    )}
    {error?.divergence?.diff && (
      <pre className="overflow-x-auto rounded-m border border-line bg-sunk p-2 font-mono text-12">
        {error.divergence.diff}
      </pre>
    )}
  </div>
)

/** Each try of a step, with what went wrong. */
const Attempts = ({ attempts }: { attempts: readonly StepAttempt[] }) => (
  <ol className="flex flex-col">
    {attempts.map(({ n, started, ended, error_detail: error }) => (
      <li key={n} className="flex flex-col gap-1 border-line border-b py-2 last:border-0">
        <p className="flex items-baseline gap-3">
          <span className="font-medium">Attempt {n}</span>
          <span className="text-12 text-muted">
            {clockText(started)} ·{' '}
            {ended === null ? 'did not end' : durationText((Date.parse(ended) - Date.parse(started)) / 1000)}
          </span>
        </p>
        {error ? <ErrorBox error={error} message="" /> : ended !== null && <p className="text-muted">It completed.</p>}
      </li>
    ))}
  </ol>
)

/** The log of one step. */
const LogOfStep = ({ run, place, step }: { run: Run; place: RunAddress; step: string }) => {
  const { data, error, refetch } = useStepLog(place, run, step)
  if (error && !data) return <Problem error={error} onRetry={() => void refetch()} />
  if (!data) return <p className="p-4 text-muted">Loading…</p>
  return <Log events={data.events} note={data.next_cursor === null ? undefined : 'the first 5,000 lines'} />
}

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
