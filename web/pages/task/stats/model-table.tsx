import type { DailyStats } from '../../../../src/model/runs/daily-stats.ts'
import { usdText } from '../../../text/cost.ts'
import { countText } from '../../../text/count.ts'
import { byCost } from './day-bars.ts'

const mostRows = 50

/** What the models cost that a task has called, the dearest first. */
export const ModelTable = ({ rows }: { rows: DailyStats['rows'] }) => (
  <section>
    <h3 className="mb-2 font-medium text-12 text-muted">By model</h3>
    <div className="overflow-x-auto">
      <table className="w-full min-w-100">
        <thead className="text-left text-11 text-muted">
          <tr>
            <th className="py-1 font-medium">Model</th>
            <th className="py-1 text-right font-medium">Calls</th>
            <th className="py-1 text-right font-medium">Tokens</th>
            <th className="py-1 text-right font-medium">Cost</th>
          </tr>
        </thead>
        <tbody className="divide-y divide-line">
          {byCost(rows)
            .slice(0, mostRows)
            .map(({ key, calls, tokens, cost_usd: cost }) => (
              <tr key={key}>
                <td className="py-1 font-mono text-12">{key}</td>
                <td className="py-1 text-right">{countText(calls)}</td>
                <td className="py-1 text-right">{countText(tokens)}</td>
                <td className="py-1 text-right">{usdText(cost)}</td>
              </tr>
            ))}
        </tbody>
      </table>
    </div>
  </section>
)
