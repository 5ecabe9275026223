import type { Judge } from '../../model/runs/evaluation.ts'
import type { RunStatus } from '../../model/workflows/workflow.ts'

/** State of a judge's work on an item. */
export interface VerdictState {
  status: RunStatus
  /** Score as text, or label; null without a verdict. */
  value: string | null
  error: string | null
  /** Trajectory id of the judging run. */
  trajectoryId: string
  runKey: string
}

/** An item of an evaluation and its results. */
export interface ItemResult {
  index: number
  key: string
  status: RunStatus
  trajectoryId: string | null
  runKey: string | null
  error: string | null
  /** Trajectory id of the evaluation that executed it, if another one did. */
  reusedFrom: string | null
  /** In judge order; undefined when the judge has not started with it, or never will. */
  verdicts: (VerdictState | undefined)[]
}

/** Data of an evaluation from which scores and comparisons are computed. */
export interface EvaluationTable {
  evaluationId: string
  judges: readonly Judge[]
  /** In item order. */
  items: ItemResult[]
}

/** Verdict as a number: the score, or 1 or 0 for a good or bad label; null when neither is known. */
export const verdictScore = (judge: Judge, value: string | null): number | null => {
  if (value === null) return null
  if (judge.binary) return value === 'yes' ? 1 : 0
  if (judge.categories) return judge.pass ? Number(judge.pass.includes(value)) : null
  return Number(value)
}

/** Verdict for display: a score as a number, a label as text. */
export const shownValue = (judge: Judge, value: string | null): number | string | null =>
  value === null || !judge.scale ? value : Number(value)

export type Change = 'better' | 'worse' | 'same' | 'changed'

/** Change of an item between two verdicts of a judge. */
export const changeOf = (judge: Judge, before: string, now: string): Change => {
  const from = verdictScore(judge, before)
  const to = verdictScore(judge, now)
  if (from === null || to === null) return before === now ? 'same' : 'changed'
  return to > from ? 'better' : to < from ? 'worse' : 'same'
}

export const hasFailed = ({ status }: Pick<ItemResult, 'status'>): boolean =>
  status === 'failed' || status === 'cancelled'
