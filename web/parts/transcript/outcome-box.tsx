import type { ReactNode } from 'react'
import { usdText } from '../../text/cost.ts'
import { countText } from '../../text/count.ts'
import { durationText } from '../../text/duration.ts'
import { StatusMark } from '../../ui/status.tsx'
import { Media } from '../media/media.tsx'
import { filesNamedIn } from '../media/media-kind.ts'
import { TextView } from '../text-view/text-view.tsx'
import { withPlaces } from '../with-places.ts'
import { headlineOf, type ResultCheck, type RunbookOutputs, reportStages, resultChecks } from './outcome.ts'

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
export const OutcomeBox = ({ outputs, collection, seconds, actions }: OutcomeProps) => {
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
