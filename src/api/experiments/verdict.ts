import { makeRandom } from '../../lib/random.ts'
import type { Judge } from '../../model/runs/evaluation.ts'
import type { ExperimentItem, ExperimentJudge, ExperimentOutcome } from '../../model/runs/experiment.ts'
import type { ExperimentItemRow } from '../../store/runs/experiments.ts'
import { mean, meanInterval, pairedShareInterval, standardDeviation } from '../evaluations/compare.ts'
import { changeOf, shownValue, verdictScore } from '../evaluations/table.ts'

/** Verdicts of one judge on both runs of an item, as text. */
export interface Pair {
  base: string | null
  candidate: string | null
}

const equalOutcomes = new Set<ExperimentOutcome | null>(['untouched', 'same_output'])

export const pairsOf = ({ verdicts, state }: Pick<ExperimentItemRow, 'verdicts' | 'state'>): Record<string, Pair> =>
  verdicts === null || state !== 'ended' ? {} : (JSON.parse(verdicts) as Record<string, Pair>)

/** Draws of signs; more do not change a verdict at 5 %. */
const flips = 10_000
const level = 0.05
/** Quantiles of the normal distribution for 5 % on two sides and a power of 80 %. */
const seenAt = 1.959964 + 0.841621

/**
 * Probability of a mean difference at least as large if the two sides were exchangeable: the share of random signs of
 * the differences that give one (R. A. Fisher's randomization test, 1935). Zeros have no sign.
 */
const signFlipP = (differences: readonly number[]): number => {
  const signed = differences.filter((one) => one !== 0)
  if (signed.length === 0) return 1
  const observed = Math.abs(signed.reduce((sum, one) => sum + one, 0)) - 1e-9
  const random = makeRandom(0x2545f491)
  let asLarge = 0
  for (let draw = 0; draw < flips; draw++) {
    let sum = 0
    for (const one of signed) sum += random() < 0.5 ? one : -one
    if (Math.abs(sum) >= observed) asLarge++
  }
  return (1 + asLarge) / (1 + flips)
}

/** Adjusts probabilities of several tests so that all of them together err as often as one (S. Holm, 1979). */
const holm = (probabilities: readonly number[]): number[] => {
  const order = probabilities.map((p, at) => ({ p, at })).sort((left, right) => left.p - right.p)
  const adjusted = new Array<number>(probabilities.length).fill(1)
  let largest = 0
  for (const [rank, { p, at }] of order.entries()) {
    largest = Math.max(largest, Math.min(1, p * (order.length - rank)))
    adjusted[at] = largest
  }
  return adjusted
}

const rounded = (value: number): number => Math.round(value * 1e9) / 1e9

/** What each judge says of all ended items. Recorded runs without a difference count as equal. */
export const judgesOf = (
  judges: readonly Judge[],
  items: readonly ExperimentItemRow[],
  repeat: number,
): ExperimentJudge[] => {
  const runs = new Map<number, ExperimentItemRow[]>()
  for (const item of items) runs.set(item.first_n, [...(runs.get(item.first_n) ?? []), item])
  const found = judges.map((judge) => judgeOf(judge, [...runs.values()], repeat))
  const adjusted = holm(found.map(({ p }) => p))
  return found.map((one, at): ExperimentJudge => {
    const p = adjusted[at] ?? 1
    const isSeen = p < level && one.mean_difference !== null && one.mean_difference !== 0
    const verdict = !isSeen ? 'no_difference' : (one.mean_difference ?? 0) > 0 ? 'better' : 'worse'
    return { ...one, p_adjusted: rounded(p), verdict }
  })
}

/** What one judge says of all executions of a recorded run, in scores. */
interface RunScores {
  /** The recorded run, and the repetitions of its version. */
  base: number[]
  /** Of each execution of the candidate: its score, and that of the recorded version which it is compared with. */
  pairs: { before: number; now: number }[]
  /** Whether each execution of the candidate had an equal output, or none was needed. */
  isEqual: boolean
  /** Whether each execution passed, as far as it is known: one that failed did not. */
  passes: Record<ExperimentItemRow['arm'], boolean[]>
}

const scoresOf = (judge: Judge, rows: readonly ExperimentItemRow[]): RunScores => {
  const scored = rows.map((row) => {
    const { base = null, candidate = null } = pairsOf(row)[judge.name] ?? {}
    return { ...row, before: verdictScore(judge, base), now: verdictScore(judge, candidate) }
  })
  // Where a trial ended before a step that writes, both verdicts are of another step than all others.
  const whole = scored.filter(({ outcome }) => outcome !== 'stopped_before_effect')
  const tried = scored.filter(({ arm }) => arm === 'candidate')
  const recorded = whole.flatMap(({ before }) => before ?? []).slice(0, 1)
  const base = [...recorded, ...whole.flatMap(({ arm, now }) => (arm === 'base' ? (now ?? []) : []))]
  const passOf = ({ outcome, now }: (typeof scored)[number]) =>
    outcome === 'failed' ? false : now === null ? [] : now === 1
  const passesOf = (of: ExperimentItemRow['arm']) => whole.flatMap((one) => (one.arm === of ? passOf(one) : []))
  return {
    base,
    pairs: tried.flatMap(({ outcome, before: own, now }) => {
      const before = outcome === 'stopped_before_effect' ? own : mean(base)
      return before === null || now === null ? [] : [{ before, now }]
    }),
    isEqual: tried.every(({ outcome }) => equalOutcomes.has(outcome)),
    passes: { candidate: passesOf('candidate'), base: [...recorded.map((score) => score === 1), ...passesOf('base')] },
  }
}

/** Candidate minus recorded version, in the mean of all executions of one run; null if it is not known. */
const differenceOf = ({ pairs, isEqual }: RunScores): number | null =>
  mean(pairs.map(({ before, now }) => now - before)) ?? (isEqual ? 0 : null)

/** The standard deviation of several scores of the same run, from all runs that have several. */
const noiseOf = (runs: readonly RunScores[]): number | null => {
  let [squares, freedom] = [0, 0]
  for (const { base } of runs) {
    squares += (standardDeviation(base) ?? 0) ** 2 * (base.length - 1)
    freedom += Math.max(0, base.length - 1)
  }
  return freedom === 0 ? null : rounded(Math.sqrt(squares / freedom))
}

/** What repetitions show. A run counts for pass^k if it is known of each of its `repeat` executions whether it passed. */
const repeatsOf = (judge: Judge, runs: readonly RunScores[], repeat: number): ExperimentJudge['repeats'] => {
  if (repeat === 1) return null
  const share = (arm: ExperimentItemRow['arm'], of: (passes: readonly boolean[]) => boolean): number | null => {
    const known = runs.map(({ passes }) => passes[arm]).filter(({ length }) => length >= repeat)
    return judge.scale ? null : mean(known.map((passes) => Number(of(passes))))
  }
  const all = (passes: readonly boolean[]) => passes.every(Boolean)
  const any = (passes: readonly boolean[]) => passes.some(Boolean)
  return {
    noise: noiseOf(runs),
    ...{ pass_all: share('candidate', all), pass_any: share('candidate', any) },
    ...{ base_pass_all: share('base', all), base_pass_any: share('base', any) },
  }
}

const judgeOf = (
  judge: Judge,
  runs: readonly ExperimentItemRow[][],
  repeat: number,
): Omit<ExperimentJudge, 'p_adjusted' | 'verdict'> => {
  const scores = runs.map((rows) => scoresOf(judge, rows))
  const differences = scores.flatMap((one) => differenceOf(one) ?? [])
  const count = (sign: number) => differences.filter((one) => Math.sign(one) === sign).length
  const counts = { better: count(1), worse: count(-1), same: count(0) }
  const n = differences.length
  const difference = mean(differences)
  const spread = standardDeviation(differences)
  const reach = judge.scale ? judge.scale.max - judge.scale.min : 1
  const isShare = !judge.scale && repeat === 1
  const interval = isShare ? pairedShareInterval(counts.better, counts.worse, n) : meanInterval(differences)
  const detectable = spread === null || spread === 0 ? null : Math.min(reach, (seenAt * spread) / Math.sqrt(n))
  return {
    name: judge.name,
    scale: judge.scale ?? null,
    n,
    ...counts,
    mean_difference: difference === null ? null : rounded(difference),
    interval: interval && {
      low: rounded(Math.max(-reach, interval.low)),
      high: rounded(Math.min(reach, interval.high)),
    },
    p: rounded(signFlipP(differences)),
    detectable: detectable === null ? null : rounded(detectable),
    repeats: repeatsOf(judge, scores, repeat),
  }
}

/** How much worse an item became, over all judges and in parts of their scales: a failure is worse than any verdict. */
const fallOf = (judges: readonly Judge[], item: ExperimentItemRow): number => {
  if (item.outcome === 'failed') return 1_000
  if (item.outcome === 'fixed') return -1_000
  const pairs = pairsOf(item)
  let fall = 0
  for (const judge of judges) {
    const { base = null, candidate = null } = pairs[judge.name] ?? {}
    const [before, now] = [verdictScore(judge, base), verdictScore(judge, candidate)]
    const reach = judge.scale ? judge.scale.max - judge.scale.min : 1
    if (before !== null && now !== null) fall += (before - now) / reach
  }
  return fall
}

const rank: Partial<Record<ExperimentOutcome, number>> = { same_output: 1, untouched: 2, cancelled: 4 }

const rankOf = ({ outcome, arm }: ExperimentItemRow): number =>
  Math.max((outcome && rank[outcome]) ?? 0, arm === 'base' ? 3 : 0)

/** Sorts items from worst to best. Items without a difference follow, and then repetitions of the recorded version. */
export const worstFirst = (judges: readonly Judge[], items: readonly ExperimentItemRow[]): ExperimentItemRow[] =>
  items
    .map((item) => ({ item, fall: fallOf(judges, item), rank: rankOf(item) }))
    .sort((left, right) => left.rank - right.rank || right.fall - left.fall || left.item.n - right.item.n)
    .map(({ item }) => item)

export const shownItem = (judges: readonly Judge[], item: ExperimentItemRow): ExperimentItem => {
  const pairs = pairsOf(item)
  const verdicts = judges.flatMap((judge) => {
    const pair = pairs[judge.name]
    if (!pair) return []
    const { base, candidate } = pair
    const change = base === null || candidate === null ? null : changeOf(judge, base, candidate)
    return [[judge.name, { base: shownValue(judge, base), candidate: shownValue(judge, candidate), change }] as const]
  })
  const { n, base_id, arm, repetition, from_step, state, outcome, reason, trial_id } = item
  return {
    ...{ n, trajectory_id: base_id, arm, repetition, from_step, state, outcome, reason, trial_id },
    verdicts: Object.fromEntries(verdicts),
  }
}
