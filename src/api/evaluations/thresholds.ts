import type { CheckedThreshold, Evaluation, Threshold } from '../../model/runs/evaluation.ts'

type JudgedBy = Evaluation['judges'][number]

const shortest = (value: number): string => String(Number(value.toFixed(4)))

const minMean = ({ name, mean, n }: JudgedBy, limit: number): CheckedThreshold => {
  const passed = mean !== null && mean >= limit
  const reason =
    mean === null
      ? 'there is no verdict'
      : `the mean over ${n} items is ${shortest(mean)}, ${passed ? 'at least' : 'below'} ${limit}`
  return { judge: name, rule: 'min_mean', limit, value: mean, passed, reason }
}

/**
 * Checks the number of items that got worse. Without a baseline it is 0; a named baseline that is missing fails the
 * check.
 */
const maxWorse = ({ name, comparison }: JudgedBy, limit: number, baseline: string | null): CheckedThreshold => {
  const rule = { judge: name, rule: 'max_worse', limit } as const
  if (baseline === null) return { ...rule, value: 0, passed: true, reason: 'there is no baseline yet' }
  if (!comparison)
    return { ...rule, value: null, passed: false, reason: `the baseline ${baseline} has no such judge, or was deleted` }
  const { worse, n } = comparison
  const passed = worse <= limit
  return { ...rule, value: worse, passed, reason: `${worse} of ${n} items are worse; at most ${limit} are allowed` }
}

const maxFailed = ({ name, failed, n }: JudgedBy, limit: number, total: number): CheckedThreshold => {
  const without = Math.max(failed, total - n)
  const reason = `${without} of ${total} items have no verdict; at most ${limit} are allowed`
  return { judge: name, rule: 'max_failed', limit, value: without, passed: without <= limit, reason }
}

/** Checks the thresholds of an ended evaluation, each with a reason. */
export const checkThresholds = (
  thresholds: Readonly<Record<string, Threshold>>,
  judges: readonly JudgedBy[],
  { total, baseline }: { total: number; baseline: string | null },
): CheckedThreshold[] =>
  judges.flatMap((judge) => {
    const limits = Object.hasOwn(thresholds, judge.name) ? thresholds[judge.name] : undefined
    if (!limits) return []
    return [
      ...(limits.min_mean === undefined ? [] : [minMean(judge, limits.min_mean)]),
      ...(limits.max_worse === undefined ? [] : [maxWorse(judge, limits.max_worse, baseline)]),
      maxFailed(judge, limits.max_failed, total),
    ]
  })
