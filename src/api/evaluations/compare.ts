import { mean, meanInterval, pairedShareInterval, shareInterval, standardDeviation } from '../../lib/statistics.ts'
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
type Comparison = NonNullable<Evaluation['comparison']>
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
