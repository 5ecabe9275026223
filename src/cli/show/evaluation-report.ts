import pc from 'picocolors'
import type { Evaluation } from '../../model/runs/evaluation.ts'
import { fields, moment, paintStatus, safe, table } from './output.ts'

type JudgedBy = Evaluation['judges'][number]

const figure = (value: number | null): string => (value === null ? '-' : String(Number(value.toFixed(3))))

const signed = (value: number): string => `${value > 0 ? '+' : ''}${figure(value)}`

const range = (interval: JudgedBy['interval']): string =>
  interval ? `${figure(interval.low)} to ${figure(interval.high)}` : '-'

const difference = ({ comparison }: JudgedBy): string => {
  if (!comparison) return '-'
  const { mean_difference: by, interval, judge_changed: isOther } = comparison
  const text = by === null ? '-' : `${signed(by)}${interval ? ` (${range(interval)})` : ''}`
  return isOther ? `${text} *` : text
}

const judgeTable = ({ judges, comparison }: Evaluation): string => {
  const against = comparison ? ['AGAINST BASELINE', 'BETTER', 'WORSE', 'SAME'] : []
  const rows = judges.map((judge) => [
    judge.name,
    figure(judge.mean),
    range(judge.interval),
    judge.n,
    judge.failed,
    ...(comparison
      ? [
          difference(judge),
          judge.comparison?.better ?? null,
          judge.comparison?.worse ?? null,
          judge.comparison?.same ?? null,
        ]
      : []),
  ])
  const isOther = judges.some((judge) => judge.comparison?.judge_changed)
  const note = isOther ? pc.dim('\n* this judge had a different instruction, model or scale in the baseline') : ''
  return `${table(['JUDGE', 'MEAN', '95 %', 'N', 'FAILED', ...against], rows)}${note}`
}

const regressionsOf = ({ comparison }: Evaluation): string => {
  if (!comparison || comparison.regressions.length === 0) return ''
  const rows = comparison.regressions.map(({ key, judge, before, now, trajectory_id: run }) =>
    judge === null ? [key, 'failed', '-', '-', run] : [key, judge, before, now, run],
  )
  const more = comparison.more_regressions > 0 ? pc.dim(`\nand ${comparison.more_regressions} more`) : ''
  const heading = `${pc.bold('Worse than')} ${comparison.evaluation_id}`
  return `${heading}\n${table(['ITEM', 'JUDGE', 'BEFORE', 'NOW', 'RUN'], rows)}${more}`
}

/** Lists the items that were read without a verdict, with the reason. */
const failuresOf = ({ items, items_total: total }: Evaluation): string => {
  if (items.length === 0) return ''
  const rows = items.flatMap(({ key, trajectory_id: run, error, verdicts }) =>
    error !== null
      ? [[key, '-', run, error]]
      : Object.entries(verdicts).flatMap(([judge, { status, trajectory_id, error: why }]) =>
          status === 'failed' ? [[key, judge, trajectory_id, why]] : [],
        ),
  )
  const more = total > items.length ? pc.dim(`\nand ${total - items.length} more`) : ''
  return `${pc.bold('Without a verdict')}\n${table(['ITEM', 'JUDGE', 'RUN', 'WHY'], rows)}${more}`
}

const thresholdsOf = ({ thresholds }: Evaluation): string =>
  thresholds
    .map(({ judge, rule, passed, reason }) => {
      const mark = passed ? pc.green('✓') : pc.red('✗')
      return `${mark} ${safe(judge)} ${rule}: ${safe(reason)}`
    })
    .join('\n')

const headOf = (evaluation: Evaluation): string => {
  const { comparison, cost_usd: cost } = evaluation
  return fields([
    ['evaluation', evaluation.evaluation_id],
    ...(evaluation.name === null ? [] : [['name', evaluation.name] as [string, string]]),
    ['task', evaluation.task],
    ['status', evaluation.status, paintStatus],
    ['created', moment(evaluation.created)],
    [
      'items',
      Object.entries(evaluation.runs)
        .map(([status, count]) => `${count} ${status}`)
        .join(', '),
    ],
    ['cost', cost === null ? null : `$${Number(cost.toFixed(4))}`],
    ['baseline', evaluation.baseline],
    ...(comparison
      ? [
          [
            'against it',
            `${comparison.matched} items in both, ${comparison.newly_failed} newly failed, ${comparison.newly_fixed} newly fixed`,
          ] as [string, string],
        ]
      : []),
    ...(evaluation.error === null ? [] : [['error', evaluation.error] as [string, string]]),
  ])
}

/** Query for the items of a report: the first five without a verdict. */
export const reportedItems = { items: 'failed', limit: 5 } as const

/**
 * Formats an evaluation read with `reportedItems`: the judges, what got worse, items without a verdict, and the
 * thresholds.
 */
export const evaluationReport = (evaluation: Evaluation): string =>
  [
    headOf(evaluation),
    judgeTable(evaluation),
    regressionsOf(evaluation),
    failuresOf(evaluation),
    thresholdsOf(evaluation),
  ]
    .filter((part) => part !== '')
    .join('\n\n')
