import type { RunTotals } from '../../src/model/runs/run-totals.ts'
import { countText } from '../text/numbers.ts'
import { StatusMark } from '../ui/status.tsx'

const shown = ['running', 'pending', 'completed', 'failed'] as const

/** Numbers of runs by status, each with its mark; a status without runs is left out. */
export const RunNumbers = ({ runs }: { runs: RunTotals }) => (
  <span className="inline-flex flex-wrap items-center gap-x-3 text-12 tabular-nums">
    {runs.waiting > 0 && <Numbered of="waiting" count={runs.waiting} text="waiting for a person" />}
    {shown.map((status) =>
      runs.by_status[status] > 0 ? (
        <Numbered key={status} of={status} count={runs.by_status[status]} text={status} />
      ) : null,
    )}
    {runs.total === 0 && <span className="text-faint">no runs</span>}
  </span>
)

const Numbered = ({ of, count, text }: { of: string; count: number; text: string }) => (
  <span className="inline-flex items-center gap-1" title={`${count.toLocaleString('en-US')} ${text}`}>
    <StatusMark of={of} label={text} />
    {countText(count)}
  </span>
)
