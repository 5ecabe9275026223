import { Link } from '@tanstack/react-router'
import type { Run, RunAddress, RunStep } from '../../data/run.ts'
import { useWholeStep } from '../../data/step.ts'
import { Problem } from '../../parts/problem.tsx'
import type { RunbookOutputs } from '../../parts/transcript/outcome.ts'
import { OutcomeBox } from '../../parts/transcript/outcome-box.tsx'
import { TranscriptView } from '../../parts/transcript/transcript.tsx'
import { buttonClass } from '../../ui/button.tsx'
import { Icon } from '../../ui/icon.tsx'

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
