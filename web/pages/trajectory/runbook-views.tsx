import { Link } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import { isObject } from '../../../src/lib/json/json-object.ts'
import type { RunbookOutcome } from '../../../src/model/runbooks/runbook-run.ts'
import type { Run, RunAddress, RunStep } from '../../data/run.ts'
import { useWholeStep } from '../../data/run-query.ts'
import { Media } from '../../parts/media/media.tsx'
import { filesNamedIn } from '../../parts/media/media-kind.ts'
import { Problem } from '../../parts/problem.tsx'
import { TextView } from '../../parts/text-view/text-view.tsx'
import { TranscriptView } from '../../parts/transcript/transcript.tsx'
import { withPlaces } from '../../parts/with-places.ts'
import { countText, usdText } from '../../text/numbers.ts'
import { durationText } from '../../text/times.ts'
import { buttonClass } from '../../ui/button.tsx'
import { Icon } from '../../ui/icon.tsx'
import { StatusMark } from '../../ui/status.tsx'

/** Outputs of a runbook step, as far as they are known: a failed one may lack some. */
export type RunbookOutputs = Partial<
  Pick<
    RunbookOutcome,
    | 'results_files'
    | 'files'
    | 'primary_files'
    | 'text'
    | 'agent'
    | 'model'
    | 'sandbox'
    | 'usage'
    | 'validation_report'
    | 'verification'
    | 'results_dir'
    | 'agent_log'
  >
> & { success?: boolean; failure_reason?: string | null }

/** A check that says whether the result of a runbook can be believed. */
interface ResultCheck {
  name: string
  state: 'passed' | 'failed' | 'none'
  /** What the check found. */
  text: string
}

const missing = new Set(['missing_files', 'empty_files', 'no_results'])

const filesCheck = ({ results_files: files, failure_reason: reason }: RunbookOutputs): ResultCheck => {
  const count = files?.length ?? 0
  const text = `${count} ${count === 1 ? 'file' : 'files'}`
  if (reason && missing.has(reason))
    return { name: 'Files', state: 'failed', text: `${text}; ${reason.replaceAll('_', ' ')}` }
  return { name: 'Files', state: count > 0 ? 'passed' : 'none', text }
}

const reportCheck = ({ validation_report: report, failure_reason: reason }: RunbookOutputs): ResultCheck => {
  const name = 'Report of the agent'
  if (reason === 'report_invalid') return { name, state: 'failed', text: 'It is missing, or cannot be read' }
  if (!report) return { name, state: 'none', text: 'The agent wrote none' }
  const hasPassed = report.overall_passed
  if (hasPassed === false) return { name, state: 'failed', text: 'The agent says that it failed' }
  return {
    name,
    state: hasPassed === true ? 'passed' : 'none',
    text: hasPassed === true ? 'The agent says that all passed' : 'It says nothing',
  }
}

const verifyCheck = ({ verification, failure_reason: reason }: RunbookOutputs): ResultCheck => {
  if (!verification) {
    const isAsked = reason === 'verify_unavailable'
    return {
      name: 'Verification',
      state: isAsked ? 'failed' : 'none',
      text: isAsked ? 'It could not be carried out' : 'The runbook asks for none',
    }
  }
  const { passed, kind, exit_code: exit, score, repair_rounds: repairs } = verification
  const found =
    kind === 'judge'
      ? score === null
        ? 'judge'
        : `judge, score ${score}`
      : exit === null
        ? 'command'
        : `command, exit ${exit}`
  const after = repairs > 0 ? ` after ${repairs} ${repairs === 1 ? 'repair' : 'repairs'}` : ''
  return { name: 'Verification', state: passed ? 'passed' : 'failed', text: `${found}${after}` }
}

/** The checks of a runbook, the ones nearest to the result first. */
export const resultChecks = (outputs: RunbookOutputs): ResultCheck[] => [
  filesCheck(outputs),
  reportCheck(outputs),
  verifyCheck(outputs),
]

/** One line that says how a runbook ended, and whether that can be believed. */
export const headlineOf = (outputs: RunbookOutputs): string => {
  const { success, failure_reason: reason, verification } = outputs
  if (success !== true) return reason ? `Failed: ${reason.replaceAll('_', ' ')}` : 'It did not succeed'
  if (!verification?.passed) return 'Completed; nobody verified it'
  const { kind, repair_rounds: repairs } = verification
  return `Verified by ${kind}${repairs > 0 ? ` after ${repairs} ${repairs === 1 ? 'repair' : 'repairs'}` : ''}`
}

const mostStages = 50

/** The stages of the report that an agent wrote about its own work; what has no name is left out. */
export const reportStages = ({ validation_report: report }: RunbookOutputs): ResultCheck[] => {
  const stages = Array.isArray(report?.stages) ? report.stages.slice(0, mostStages) : []
  return stages.filter(isObject).flatMap(({ name, passed, message }): ResultCheck[] => {
    if (typeof name !== 'string' || name === '') return []
    const state = passed === true ? 'passed' : passed === false ? 'failed' : 'none'
    return [{ name, state, text: typeof message === 'string' ? message : '' }]
  })
}

const marks: Record<ResultCheck['state'], { of: string; word: string }> = {
  passed: { of: 'completed', word: 'passed' },
  failed: { of: 'failed', word: 'failed' },
  none: { of: 'skipped', word: 'not checked' },
}

interface OutcomeProps {
  outputs: RunbookOutputs
  collection: string
  /** How long the step took. */
  seconds: number | null
  /** Stands at the end of the headline. */
  actions?: ReactNode
}

/** Who made it, in what, and what it took. */
const factsOf = ({ agent, model, sandbox, usage }: RunbookOutputs, seconds: number | null): string =>
  [
    agent,
    model === agent ? undefined : model,
    sandbox,
    durationText(seconds),
    usage && `${countText(usage.total_tokens)} tokens`,
    usage && usdText(usage.cost_usd),
  ]
    .filter((fact) => fact !== undefined && fact !== '')
    .join(' · ')

/** What a runbook made, the most wanted file first, and whether it can be believed. */
const OutcomeBox = ({ outputs, collection, seconds, actions }: OutcomeProps) => {
  const files = filesNamedIn(outputs.results_files ?? [], collection)
  const primary = (outputs.primary_files ?? []).flatMap((path) => files.filter((file) => file.path === path))
  const { verification } = outputs
  const stages = reportStages(outputs)
  return (
    <div className="flex flex-col gap-4 overflow-auto p-4">
      <h2 className="flex items-center gap-2 font-semibold text-15">
        <StatusMark of={outputs.success === true ? 'completed' : 'failed'} />
        <span className="min-w-0 flex-1">{headlineOf(outputs)}</span>
        {actions}
      </h2>
      <p className="text-12 text-muted">{factsOf(outputs, seconds)}</p>
      <div className="grid grid-cols-1 gap-4 lg:grid-cols-[minmax(0,1fr)_16rem]">
        <div className="flex min-w-0 flex-col gap-3">
          {primary.map((file) => (
            <Media key={file.path} file={file} />
          ))}
          {primary.length === 0 && (
            <p className="text-muted">The runbook names no primary output, or it is not there.</p>
          )}
          {outputs.text && <TextView text={outputs.text} isProse />}
        </div>
        <section aria-label="Checks" className="flex flex-col gap-2">
          <h3 className="font-medium text-12 text-muted">Checks</h3>
          {resultChecks(outputs).map((check) => (
            <CheckRow key={check.name} check={check} />
          ))}
          {verification && verification.output !== '' && (
            <details>
              <summary className="text-12 text-muted">What the verification said</summary>
              <TextView text={verification.output} />
            </details>
          )}
          {stages.length > 0 && (
            <details>
              <summary className="text-12 text-muted">What the agent reports of its stages</summary>
              <div className="mt-2 flex flex-col gap-2">
                {withPlaces(stages).map(({ element, place }) => (
                  <CheckRow key={place} check={element} />
                ))}
              </div>
            </details>
          )}
        </section>
      </div>
    </div>
  )
}

const CheckRow = ({ check: { name, state, text } }: { check: ResultCheck }) => (
  <div className="flex items-start gap-2">
    <StatusMark of={marks[state].of} label={marks[state].word} className="mt-0.5" />
    <p className="min-w-0 break-words">
      {name}
      <span className="block text-12 text-muted">{text}</span>
    </p>
  </div>
)

interface RunbookViewProps {
  run: Run
  place: RunAddress
  step: RunStep
}

/** What the agent of a runbook did. */
const RunbookTranscript = ({ run, place, step }: RunbookViewProps) => (
  <TranscriptView key={step.key} place={place} workflowId={run.workflow_id} step={step.key} ended={step.ended} />
)

/** What a runbook made, and whether it can be believed. */
const RunbookResult = ({ place, step }: RunbookViewProps) => {
  const { data, error, refetch } = useWholeStep(place, step.ended === null ? undefined : step.key)
  if (step.ended === null)
    return <p className="p-4 text-muted">The runbook still runs. Its transcript shows what it does.</p>
  if (error) return <Problem error={error} onRetry={() => void refetch()} />
  if (!data) return <p className="p-4 text-muted">Loading…</p>
  if (data.large_values.includes('/outputs'))
    return <p className="p-4 text-muted">The output is large: the panel of the step shows it.</p>
  return (
    <OutcomeBox
      outputs={data.outputs as RunbookOutputs}
      collection={place.collection}
      seconds={step.duration_seconds}
      actions={
        <Link
          to="/$collection/$task"
          params={{ collection: place.collection, task: place.task }}
          search={{ tab: 'runbook' }}
          className={buttonClass()}
        >
          <Icon name="edit" />
          Edit the runbook
        </Link>
      }
    />
  )
}

export default function RunbookView({ view, ...props }: RunbookViewProps & { view: 'result' | 'transcript' }) {
  return view === 'result' ? <RunbookResult {...props} /> : <RunbookTranscript {...props} />
}
