import type { Judge } from '../../model/runs/evaluation.ts'
import type { RunStatus } from '../../model/workflows/workflow.ts'

/** What a judge has made of an item, so far. */
export interface Verdict {
  status: RunStatus
  /** The score as text, or the label; null without a verdict. */
  value: string | null
  error: string | null
  /** Of the run that judged. */
  trajectoryId: string
  runKey: string
}

/** An item of an evaluation, and what came of it. */
export interface ItemResult {
  index: number
  key: string
  status: RunStatus
  trajectoryId: string | null
  runKey: string | null
  error: string | null
  /** In the order of the judges; undefined where the judge has not begun with it, or never will. */
  verdicts: (Verdict | undefined)[]
}

/** Everything of an evaluation that scores and comparisons are worked out from. */
export interface EvaluationTable {
  evaluationId: string
  judges: readonly Judge[]
  /** In the order of the items. */
  items: ItemResult[]
}

/** A verdict as a number: the score, or 1 or 0 where a label is good or not; null where neither is known. */
export const scoreOf = (judge: Judge, value: string | null): number | null => {
  if (value === null) return null
  if (judge.binary) return value === 'yes' ? 1 : 0
  if (judge.categories) return judge.pass ? Number(judge.pass.includes(value)) : null
  return Number(value)
}

/** A verdict as it is shown: a score as a number, a label as it is. */
export const shownValue = (judge: Judge, value: string | null): number | string | null =>
  value === null || !judge.scale ? value : Number(value)

export type Change = 'better' | 'worse' | 'same' | 'changed'

/** What became of an item between two verdicts of a judge. */
export const changeOf = (judge: Judge, before: string, now: string): Change => {
  const from = scoreOf(judge, before)
  const to = scoreOf(judge, now)
  if (from === null || to === null) return before === now ? 'same' : 'changed'
  return to > from ? 'better' : to < from ? 'worse' : 'same'
}

export const hasFailed = ({ status }: Pick<ItemResult, 'status'>): boolean =>
  status === 'failed' || status === 'cancelled'
