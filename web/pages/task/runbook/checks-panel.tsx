import type { RunbookPreflight } from '../../../../src/model/runbooks/runbook-request.ts'
import { withPlaces } from '../../../parts/with-places.ts'
import { CopyLine } from '../../../ui/copy.tsx'
import { Icon } from '../../../ui/icon.tsx'
import { StatusMark } from '../../../ui/status.tsx'
import type { EditorFinding } from './findings.ts'

interface ChecksPanelProps {
  collection: string
  findings: readonly EditorFinding[]
  preflight: RunbookPreflight | undefined
  /** Whether there is no text to check. */
  isEmpty: boolean
  /** Leads to what is to be mended: a place in the text, or the form of a run. */
  onShow: (finding: EditorFinding) => void
}

/** What is to mend before a run, each with its place and what to type; then what was found in order. */
export const ChecksPanel = ({ collection, findings, preflight, isEmpty, onShow }: ChecksPanelProps) => {
  const passed = preflight?.checks.filter(({ state }) => state === 'ok') ?? []
  return (
    <div className="flex flex-col gap-3 py-2">
      <p className="px-4 font-medium" aria-live="polite">
        <Verdict findings={findings} preflight={preflight} isEmpty={isEmpty} />
      </p>
      {findings.length > 0 && (
        <ul aria-label="To mend">
          {withPlaces(findings).map(({ element, place }) => (
            <FindingRow key={place} finding={element} onShow={() => onShow(element)} />
          ))}
        </ul>
      )}
      {(preflight?.missing_secrets.length ?? 0) > 0 && (
        <section aria-label="Missing secrets" className="flex flex-col gap-2 px-4">
          <p className="text-12 text-muted">Keep a secret in the collection; the command asks for its value:</p>
          {preflight?.missing_secrets.map((name) => (
            <CopyLine key={name} text={`jetty env set ${collection} ${name}`} />
          ))}
        </section>
      )}
      {passed.length > 0 && (
        <section aria-label="In order" className="px-4">
          <h2 className="mb-1 font-medium text-12 text-muted">In order</h2>
          <ul className="flex flex-col gap-0.5">
            {withPlaces(passed).map(({ element: { name, found }, place }) => (
              <li key={place} className="flex items-start gap-2">
                <StatusMark of="completed" label="ok" className="mt-0.5" />
                <span className="min-w-0 break-words">
                  <span className="text-muted">{name}</span> {found}
                </span>
              </li>
            ))}
          </ul>
        </section>
      )}
    </div>
  )
}

const Verdict = ({ findings, preflight, isEmpty }: Pick<ChecksPanelProps, 'findings' | 'preflight' | 'isEmpty'>) => {
  if (isEmpty) return <span className="text-muted">Write a runbook to have it checked</span>
  const errors = findings.filter(({ severity }) => severity === 'error').length
  if (errors > 0)
    return <span className="text-bad">{errors === 1 ? '1 fault to mend' : `${errors} faults to mend`}</span>
  if (!preflight) return <span className="text-muted">Being checked …</span>
  return <>Ready to run{preflight.agent ? ` with ${preflight.agent}` : ''}</>
}

const FindingRow = ({ finding, onShow }: { finding: EditorFinding; onShow: () => void }) => {
  const { severity, message, fix, place, rule } = finding
  const isError = severity === 'error'
  return (
    <li>
      <button type="button" onClick={onShow} className="flex w-full gap-2 px-4 py-1.5 text-left hover:bg-sunk">
        <Icon
          name={isError ? 'cross' : 'warning'}
          label={isError ? 'Error' : 'Warning'}
          className={`mt-0.5 ${isError ? 'text-bad' : 'text-wait'}`}
        />
        <span className="min-w-0 flex-1">
          <span className="break-words">{message}</span>
          {fix && <span className="block break-words text-12 text-muted">{fix}</span>}
        </span>
        <code className="text-11 text-faint">{place ? `${rule} ${place.line}:${place.column}` : rule}</code>
      </button>
    </li>
  )
}
