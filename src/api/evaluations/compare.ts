import {
  type Evaluation,
  isRanked,
  type Judge,
  mostRegressions,
  type ShownInterval,
} from '../../model/runs/evaluation.ts'
import {
  type Change,
  changeOf,
  type EvaluationTable,
  hasFailed,
  type ItemResult,
  shownValue,
  verdictScore,
} from './table.ts'

/** The 0.975 quantile of the normal distribution: 2.5 % lie on either side of a 95 % interval. */
const z95 = 1.959963984540054

/** A 95 % confidence interval. */
interface Interval {
  low: number
  high: number
}

/** From here on the asymptotic expansion of the quantile is right to 12 digits; before it, the series is short. */
const manyDegrees = 300

/**
 * The share of Student's t distribution between -t and t, for a whole number of degrees of freedom: a finite series in
 * the angle of t (Abramowitz and Stegun, 26.7.3 and 26.7.4).
 */
const shareWithinT = (t: number, freedom: number): number => {
  const angle = Math.atan(t / Math.sqrt(freedom))
  const square = Math.cos(angle) ** 2
  const isOdd = freedom % 2 === 1
  let term = isOdd ? Math.cos(angle) : 1
  let sum = freedom === 1 ? 0 : term
  for (let k = isOdd ? 3 : 2; k < freedom; k += 2) {
    term *= (square * (k - 1)) / k
    sum += term
  }
  return isOdd ? (2 / Math.PI) * (angle + Math.sin(angle) * sum) : Math.sin(angle) * sum
}

/** The quantile as the one of the normal distribution and corrections to it (Abramowitz and Stegun, 26.7.5). */
const expandedT = (freedom: number): number => {
  const z = z95
  const terms = [
    (z ** 3 + z) / 4,
    (5 * z ** 5 + 16 * z ** 3 + 3 * z) / 96,
    (3 * z ** 7 + 19 * z ** 5 + 17 * z ** 3 - 15 * z) / 384,
    (79 * z ** 9 + 776 * z ** 7 + 1482 * z ** 5 - 1920 * z ** 3 - 945 * z) / 92_160,
  ]
  return z + terms.reduce((sum, term, at) => sum + term / freedom ** (at + 1), 0)
}

/** The 0.975 quantile of Student's t distribution; `freedom` is whole, from 1 on. */
export const quantileT = (freedom: number): number => {
  if (freedom >= manyDegrees) return expandedT(freedom)
  let low = z95 // t approaches the normal distribution from above
  let high = 13 // with one degree of freedom it is 12.706
  for (let halving = 0; halving < 60; halving++) {
    const middle = (low + high) / 2
    if (shareWithinT(middle, freedom) < 0.95) low = middle
    else high = middle
  }
  return (low + high) / 2
}

/** The mean of some values; null of none. */
export const mean = (values: readonly number[]): number | null =>
  values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length

/** Standard deviation of a sample, with n − 1 in the denominator; null for fewer than two values. */
export const standardDeviation = (values: readonly number[]): number | null => {
  const middle = mean(values)
  if (middle === null || values.length < 2) return null
  return Math.sqrt(values.reduce((sum, value) => sum + (value - middle) ** 2, 0) / (values.length - 1))
}

/** Student's interval of a mean: mean ± t · s / √n. Null of fewer than two values, which say nothing of their spread. */
export const meanInterval = (values: readonly number[]): Interval | null => {
  const middle = mean(values)
  const spread = standardDeviation(values)
  if (middle === null || spread === null) return null
  const reach = spread === 0 ? 0 : (quantileT(values.length - 1) * spread) / Math.sqrt(values.length)
  return { low: middle - reach, high: middle + reach }
}

/**
 * Wilson's score interval of a share (E. B. Wilson, 1927): unlike the usual one it stays within 0 and 1, and says something
 * of 0 out of n too. Null of none.
 */
export const shareInterval = (hits: number, n: number): Interval | null => {
  if (n === 0) return null
  const share = hits / n
  const square = z95 * z95
  const middle = (share + square / (2 * n)) / (1 + square / n)
  const reach = (z95 * Math.sqrt((share * (1 - share)) / n + square / (4 * n * n))) / (1 + square / n)
  return { low: hits === 0 ? 0 : middle - reach, high: hits === n ? 1 : middle + reach }
}

/**
 * The interval of the difference of two shares over the same n things (D. G. Bonett and R. M. Price, 2012): `gained` of
 * them hit only now, `lost` only before. Null of none.
 */
export const pairedShareInterval = (gained: number, lost: number, n: number): Interval | null => {
  if (n === 0) return null
  const up = (gained + 1) / (n + 2)
  const down = (lost + 1) / (n + 2)
  const reach = z95 * Math.sqrt((up + down - (up - down) ** 2) / (n + 2))
  return { low: Math.max(-1, up - down - reach), high: Math.min(1, up - down + reach) }
}

type JudgeSummary = Omit<Evaluation['judges'][number], keyof Judge | 'comparison'>

const decimals = 1e9

/** Rounds away floating point noise. */
const rounded = (value: number): number => Math.round(value * decimals) / decimals

/** An interval as it is answered: a value outside of the bounds is impossible, so it ends there. */
const shownInterval = (
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
const isShare = ({ scale }: Judge): boolean => scale === undefined

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

type JudgeComparison = NonNullable<Evaluation['judges'][number]['comparison']>
type Comparison = Omit<NonNullable<Evaluation['comparison']>, 'task' | 'version'>
type Regression = Comparison['regressions'][number]

/** Two evaluations side by side: items matched by key, judges by name. */
export interface Pairing {
  baseline: EvaluationTable
  /** Item of the baseline with the same key. */
  before(item: ItemResult): ItemResult | undefined
  /** For each judge, the index of the judge with the same name in the baseline. */
  judgesBefore: (number | undefined)[]
}

export const pairUp = (now: EvaluationTable, baseline: EvaluationTable): Pairing => {
  const byKey = new Map(baseline.items.map((item) => [item.key, item]))
  const places = new Map(baseline.judges.map(({ name }, at) => [name, at]))
  return {
    baseline,
    before: (item) => byKey.get(item.key),
    judgesBefore: now.judges.map(({ name }) => places.get(name)),
  }
}

/** Verdict of this judge on the item in the baseline; null without one. */
export const valueBefore = ({ before, judgesBefore }: Pairing, item: ItemResult, at: number): string | null => {
  const place = judgesBefore[at]
  return place === undefined ? null : (before(item)?.verdicts[place]?.value ?? null)
}

interface Pair {
  item: ItemResult
  before: string
  now: string
  change: Change
}

/** Items with a verdict of the judge in both evaluations. */
const pairsOf = (judge: Judge, at: number, items: readonly ItemResult[], pairing: Pairing): Pair[] =>
  items.flatMap((item) => {
    const before = valueBefore(pairing, item, at)
    const now = item.verdicts[at]?.value ?? null
    return before === null || now === null ? [] : [{ item, before, now, change: changeOf(judge, before, now) }]
  })

/** Identity of a judge: scores can only be compared directly when it is the same. */
const asJudge = ({ instruction, model, model_provider, scale, categories, pass, binary }: Judge): string =>
  JSON.stringify([instruction, model, model_provider, scale, categories, pass, binary])

/** Compares a judge's verdicts with the baseline's; null when it did not judge there. */
export const compareJudge = (
  judge: Judge,
  at: number,
  now: EvaluationTable,
  pairing: Pairing,
): JudgeComparison | null => {
  const earlier = pairing.baseline.judges[pairing.judgesBefore[at] ?? -1]
  if (!earlier) return null
  const pairs = pairsOf(judge, at, now.items, pairing)
  const count = (change: Change) => pairs.filter((pair) => pair.change === change).length
  const differences = isRanked(judge)
    ? pairs.map(({ before, now }) => (verdictScore(judge, now) ?? 0) - (verdictScore(judge, before) ?? 0))
    : []
  const difference = mean(differences)
  const [better, worse] = [count('better'), count('worse')]
  const interval = isShare(judge)
    ? shownInterval(pairedShareInterval(better, worse, differences.length), 'bonett-price')
    : shownInterval(meanInterval(differences), 't', { min: -rangeOf(judge), max: rangeOf(judge) })
  return {
    n: pairs.length,
    better,
    worse,
    same: count('same'),
    changed: count('changed'),
    mean_difference: difference === null ? null : rounded(difference),
    interval,
    judge_changed: asJudge(earlier) !== asJudge(judge),
  }
}

/** Largest possible difference of two scores. */
const rangeOf = ({ scale }: Judge): number => (scale ? scale.max - scale.min : 1)

/** Drop of a score relative to the judge's scale, so that judges of different scales can be sorted together. */
const fallOf = (judge: Judge, { before, now }: Pair): number =>
  ((verdictScore(judge, before) ?? 0) - (verdictScore(judge, now) ?? 0)) / rangeOf(judge)

const worsenings = (now: EvaluationTable, pairing: Pairing): Regression[] =>
  now.judges
    .flatMap((judge, at) =>
      pairsOf(judge, at, now.items, pairing)
        .filter(({ change }) => change === 'worse')
        .map((pair) => ({ judge, pair, fall: fallOf(judge, pair) })),
    )
    .sort((left, right) => right.fall - left.fall || left.pair.item.index - right.pair.item.index)
    .map(({ judge, pair: { item, before, now } }) => ({
      key: item.key,
      index: item.index,
      judge: judge.name,
      before: shownValue(judge, before),
      now: shownValue(judge, now),
      trajectory_id: item.trajectoryId,
    }))

/** Compares all items, and lists those that got worse. */
export const compareItems = (now: EvaluationTable, pairing: Pairing): Comparison => {
  const matched = now.items.flatMap((item) => {
    const before = pairing.before(item)
    return before ? [{ item, before }] : []
  })
  const broken = matched.filter(({ item, before }) => hasFailed(item) && before.status === 'completed')
  const fixed = matched.filter(({ item, before }) => item.status === 'completed' && hasFailed(before))
  const regressions: Regression[] = [
    ...broken.map(({ item }) => ({
      key: item.key,
      index: item.index,
      judge: null,
      before: null,
      now: null,
      trajectory_id: item.trajectoryId,
    })),
    ...worsenings(now, pairing),
  ]
  return {
    evaluation_id: pairing.baseline.evaluationId,
    matched: matched.length,
    added: now.items.length - matched.length,
    removed: pairing.baseline.items.length - matched.length,
    newly_failed: broken.length,
    newly_fixed: fixed.length,
    regressions: regressions.slice(0, mostRegressions),
    more_regressions: Math.max(0, regressions.length - mostRegressions),
  }
}
