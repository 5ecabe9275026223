import type { Evaluation } from '../../../../src/model/runs/evaluation.ts'
import { countText } from '../../../text/count.ts'
import { intervalText, meanChangeText, meanText } from './verdict-text.ts'

interface JudgeTableProps {
  judges: Evaluation['judges']
  comparison: Evaluation['comparison']
}

const right = 'py-1 pl-4 text-right'

/** What each judge found over all items, and how that differs from the baseline. */
export const JudgeTable = ({ judges, comparison }: JudgeTableProps) => {
  const isCompared = judges.some((judge) => judge.comparison !== null)
  return (
    <section aria-label="Judges">
      {comparison && (
        <p className="mb-2 text-12 text-muted">
          Against {comparison.evaluation_id}: {countText(comparison.matched)} items in both,{' '}
          {countText(comparison.newly_failed)} newly failed, {countText(comparison.newly_fixed)} newly fixed
        </p>
      )}
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls by keyboard */}
      <div className="overflow-x-auto" tabIndex={0} role="group" aria-label="Table of judges">
        <table className={`w-full ${isCompared ? 'min-w-120' : 'sm:min-w-120'}`}>
          <thead className="text-left text-11 text-muted">
            <tr>
              <th className="py-1 font-medium">Judge</th>
              <th className={`${right} font-medium`}>Mean</th>
              <th className={`${right} font-medium max-sm:hidden`}>95 %</th>
              <th className={`${right} font-medium`}>Verdicts</th>
              <th className={`${right} font-medium`}>Failed</th>
              {isCompared && <th className={`${right} font-medium`}>Change</th>}
              {isCompared && <th className={`${right} font-medium`}>Better, worse</th>}
            </tr>
          </thead>
          <tbody className="divide-y divide-line">
            {judges.map((judge) => (
              <tr key={judge.name}>
                <td className="py-1">
                  <span className="font-medium">{judge.name}</span>
                  <span
                    className="block max-w-80 truncate text-12 text-muted max-sm:max-w-36 max-sm:whitespace-normal"
                    title={judge.instruction}
                  >
                    {judge.counts
                      ? Object.entries(judge.counts)
                          .map(([category, count]) => `${category} ${countText(count)}`)
                          .join(' · ')
                      : judge.instruction}
                  </span>
                </td>
                <td className={`${right} font-semibold`}>{meanText(judge, judge.mean)}</td>
                <td className={`${right} whitespace-nowrap text-12 text-muted max-sm:hidden`}>
                  {intervalText(judge, judge.interval)}
                </td>
                <td className={right}>{countText(judge.n)}</td>
                <td className={right}>{judge.failed === 0 ? '–' : countText(judge.failed)}</td>
                {isCompared && (
                  <td
                    className={right}
                    title={judge.comparison?.judge_changed ? 'The judge is another one now' : undefined}
                  >
                    {meanChangeText(judge, judge.comparison?.mean_difference ?? null)}
                    {judge.comparison?.judge_changed && ' *'}
                  </td>
                )}
                {isCompared && (
                  <td className={right}>
                    {judge.comparison ? `${judge.comparison.better}, ${judge.comparison.worse}` : '–'}
                  </td>
                )}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {judges.some((judge) => judge.comparison?.judge_changed) && (
        <p className="mt-1 text-12 text-muted">
          * The instruction, model or scale of the judge differs: compare with care.
        </p>
      )}
    </section>
  )
}
