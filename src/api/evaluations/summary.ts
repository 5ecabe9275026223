import { mean, meanInterval, shareInterval, standardDeviation } from '../../lib/statistics.ts'
import { type Evaluation, isRanked, type Judge, type ShownInterval } from '../../model/runs/evaluation.ts'
import { hasFailed, type ItemResult, verdictScore } from './table.ts'

type JudgeSummary = Omit<Evaluation['judges'][number], keyof Judge | 'comparison'>

const decimals = 1e9

/** Rounds away floating point noise. */
export const rounded = (value: number): number => Math.round(value * decimals) / decimals

/** An interval as it is answered: a value outside of the bounds is impossible, so it ends there. */
export const shownInterval = (
  interval: { low: number; high: number } | null,
  method: ShownInterval['method'],
  { min, max }: { min: number; max: number } = { min: -1, max: 1 },
): ShownInterval | null =>
  interval && {
    low: rounded(Math.max(min, interval.low)),
    high: rounded(Math.min(max, interval.high)),
    level: 0.95,
    method,
  }

/** Tells whether a judge's mean is the share of good items. */
export const isShare = ({ scale }: Judge): boolean => scale === undefined

const countsOf = (values: string[]): Record<string, number> => {
  const counts = new Map<string, number>()
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1)
  return Object.fromEntries(counts)
}

/** Summarizes a judge's verdicts on all items; `at` is the judge's index. */
export const judgeSummary = (judge: Judge, at: number, items: readonly ItemResult[]): JudgeSummary => {
  const values = items.map(({ verdicts }) => verdicts[at]?.value ?? null).filter((value) => value !== null)
  const failed = items.filter((item) => isUnjudged(item, at)).length
  const scores = isRanked(judge)
    ? values.map((value) => verdictScore(judge, value)).filter((score) => score !== null)
    : []
  const middle = mean(scores)
  const spread = isShare(judge) ? null : standardDeviation(scores)
  const good = scores.filter((score) => score === 1).length
  const interval = isShare(judge)
    ? shownInterval(shareInterval(good, scores.length), 'wilson')
    : shownInterval(meanInterval(scores), 't', judge.scale)
  return {
    n: values.length,
    failed,
    mean: middle === null ? null : rounded(middle),
    standard_deviation: spread === null ? null : rounded(spread),
    interval,
    counts: isShare(judge) ? countsOf(values) : null,
  }
}

/** Tells whether an item will never get a verdict of this judge, because its run or the judgement failed. */
export const isUnjudged = (item: ItemResult, at: number): boolean => {
  const verdict = item.verdicts[at]
  return hasFailed(item) || (verdict !== undefined && hasFailed(verdict))
}
