import type { Evaluation } from '../../../../src/model/runs/evaluation.ts'

type Judged = Evaluation['judges'][number]
type Item = Evaluation['items'][number]
export type ItemVerdict = Item['verdicts'][string]

const shares = ({ categories, binary }: Pick<Judged, 'categories' | 'binary'>): boolean =>
  binary === true || categories !== undefined

const number = (value: number): string => String(Number(value.toFixed(3)))

/** A mean as people read it: a share in percent, a score as a number. */
export const meanText = (judge: Pick<Judged, 'categories' | 'binary'>, mean: number | null): string => {
  if (mean === null) return '–'
  return shares(judge) ? `${Number((mean * 100).toFixed(1))} %` : number(mean)
}

/** An interval of 95 %, without its name. */
export const intervalText = (judge: Pick<Judged, 'categories' | 'binary'>, interval: Judged['interval']): string =>
  interval === null ? '' : `${meanText(judge, interval.low)} to ${meanText(judge, interval.high)}`

/** How far a mean moved: `+0.2`, `−5 %`, `0`. */
export const meanChangeText = (judge: Pick<Judged, 'categories' | 'binary'>, difference: number | null): string => {
  if (difference === null) return '–'
  if (difference === 0) return 'no change'
  return `${difference > 0 ? '+' : '−'}${meanText(judge, Math.abs(difference))}`
}

/** What a judge found: its category, or its score. */
export const verdictText = ({ label, score, error, status }: ItemVerdict): string => {
  if (error !== null) return error
  if (label !== null) return label
  return score === null ? status : number(score)
}

/** Word and state of a change against the baseline. */
export const changeMark = (change: ItemVerdict['change']): { of: string; word: string } | undefined => {
  if (change === 'better') return { of: 'completed', word: 'better' }
  if (change === 'worse') return { of: 'failed', word: 'worse' }
  return change === 'changed' ? { of: 'waiting', word: 'changed' } : undefined
}
