import { mean, meanInterval, pairedShareInterval } from '../../lib/statistics.ts'
import { type Evaluation, isRanked, type Judge, mostRegressions } from '../../model/runs/evaluation.ts'
import { isShare, rounded, shownInterval } from './summary.ts'
import {
  type Change,
  changeOf,
  type EvaluationTable,
  hasFailed,
  type ItemResult,
  shownValue,
  verdictScore,
} from './table.ts'

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
