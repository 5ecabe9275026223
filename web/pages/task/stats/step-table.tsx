import { countText } from '../../../text/count.ts'
import { durationText } from '../../../text/duration.ts'

interface StepStats {
  count: number
  failed: number
  avg_duration_seconds: number
}

const mostRows = 100

/** Steps of all runs of a task, those that fail most first. */
export const StepTable = ({ steps }: { steps: Readonly<Record<string, StepStats>> }) => {
  const rows = Object.entries(steps).sort(
    ([, one], [, other]) => other.failed - one.failed || other.avg_duration_seconds - one.avg_duration_seconds,
  )
  if (rows.length === 0) return null
  return (
    <section>
      <h2 className="mb-2 font-semibold text-15">Steps of all runs</h2>
      <div className="overflow-x-auto">
        <table className="w-full min-w-100">
          <thead className="text-left text-11 text-muted">
            <tr>
              <th className="py-1 font-medium">Step</th>
              <th className="py-1 text-right font-medium">Ended</th>
              <th className="py-1 text-right font-medium">Failed</th>
              <th className="py-1 text-right font-medium">Average duration</th>
            </tr>
          </thead>
          <tbody className="divide-y divide-line">
            {rows.slice(0, mostRows).map(([name, { count, failed, avg_duration_seconds: seconds }]) => (
              <tr key={name}>
                <td className="py-1">{name}</td>
                <td className="py-1 text-right">{countText(count)}</td>
                <td className="py-1 text-right">{failed === 0 ? '–' : countText(failed)}</td>
                <td className="py-1 text-right">{durationText(seconds)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  )
}
