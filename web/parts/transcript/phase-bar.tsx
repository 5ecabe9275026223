import { durationText } from '../../text/duration.ts'
import { StatusMark } from '../../ui/status.tsx'
import type { PhaseSpan } from './entries.ts'

const names: Record<PhaseSpan['phase'], string> = {
  waiting: 'waiting',
  preparing: 'preparing',
  working: 'working',
  collecting: 'collecting files',
  verifying: 'verifying',
  repairing: 'repairing',
  finished: 'finished',
}

/** The phases of a runbook, one after the other; each leads to its place in the transcript. */
export const PhaseBar = ({
  phases,
  isOpen,
  onChoose,
}: {
  phases: readonly PhaseSpan[]
  isOpen: boolean
  onChoose: (n: number) => void
}) => (
  <ol aria-label="Phases" className="flex flex-wrap items-center gap-x-1 gap-y-1 px-4 py-2">
    {phases.map(({ n, phase, from, to, isBad }, at) => {
      const isLast = at === phases.length - 1
      const state = isBad ? 'failed' : isLast && isOpen ? 'running' : 'completed'
      return (
        <li key={n} className="flex items-center gap-1">
          {at > 0 && <span aria-hidden className="h-px w-3 bg-line" />}
          <button
            type="button"
            onClick={() => onChoose(n)}
            className="inline-flex h-6 items-center gap-1.5 rounded-s px-1.5 hover:bg-sunk"
          >
            <StatusMark of={state} label={state} />
            {names[phase]}
            {to !== undefined && to - from >= 100 && (
              <span className="text-11 text-faint">{durationText((to - from) / 1000)}</span>
            )}
          </button>
        </li>
      )
    })}
  </ol>
)
