import type { api } from '../../../data/api.ts'
import { bytesText } from '../../../text/bytes.ts'
import { countText } from '../../../text/count.ts'
import { dayText } from '../../../text/moment.ts'

/** What rules would delete now. */
type Preview = NonNullable<Awaited<ReturnType<typeof api.previewRetention>>>

/** `412 runs (1.2 GB)`; the count stops at some number. */
export const runsText = ({ runs, bytes, is_complete: isComplete }: Preview): string =>
  `${isComplete ? '' : 'More than '}${runs === 1 ? '1 run' : `${runs.toLocaleString('en-US')} runs`} (${bytesText(bytes)})`

const reasons = [
  ['by_days', 'too old'],
  ['by_runs', 'too many'],
  ['by_bytes', 'too large'],
  ['by_label', 'by label'],
] as const

const right = 'py-1 pl-4 text-right'

/** Which runs go, by task, and why. */
export const PreviewTable = ({ preview }: { preview: Preview }) => (
  // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls by keyboard
  <div className="overflow-x-auto" tabIndex={0} role="group" aria-label="Runs that would be deleted, by task">
    <table className="w-full sm:min-w-120">
      <thead className="text-left text-11 text-muted">
        <tr>
          <th className="py-1 font-medium">Task</th>
          <th className={`${right} font-medium`}>Runs</th>
          <th className={`${right} font-medium`}>Size</th>
          <th className={`${right} font-medium`}>Why</th>
          <th className={`${right} font-medium max-sm:hidden`}>Created</th>
        </tr>
      </thead>
      <tbody className="divide-y divide-line">
        {preview.tasks.map((one) => (
          <tr key={one.task}>
            <td className="max-w-60 truncate py-1 max-sm:max-w-28" title={one.task}>
              {one.task}
            </td>
            <td className={right}>{countText(one.runs)}</td>
            <td className={`${right} whitespace-nowrap`}>{bytesText(one.bytes)}</td>
            <td className={`${right} text-12 text-muted`}>
              {reasons
                .filter(([name]) => one[name] > 0)
                .map(([name, text]) => (one[name] === one.runs ? text : `${countText(one[name])} ${text}`))
                .join(', ')}
            </td>
            <td className={`${right} whitespace-nowrap text-12 text-muted max-sm:hidden`}>
              {dayText(one.oldest)} to {dayText(one.newest)}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  </div>
)
