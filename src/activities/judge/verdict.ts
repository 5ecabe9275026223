import type { Question } from './question.ts'
import { type Option, yesOrNo } from './read-label.ts'

/** What a judge decided, and where in its answer that stands. */
export interface Verdict {
  score: number | null
  label: string | null
  explanation: string | null
  /** By dimension, a score, or the label where labels are asked for; null where no dimensions are. */
  dimensions: Record<string, number | string> | null
  read_as: 'json' | 'repaired_json' | 'text'
  /** The member of the JSON answer, or the words of the text. */
  read_from: string
  warnings: string[]
}

/** A verdict, or why there is none. */
export type Reading = { verdict: Verdict } | { problem: string }

/** One decision: a score, a label, or for a binary one both. */
export type Value = { score: number | null; label: string | null; from: string; warning?: string | undefined }
/** What a question lets a judge choose from. */
export const optionsOf = (question: Exclude<Question, { type: 'scale' }>): Option[] =>
  question.type === 'binary' ? yesOrNo : question.categories.map((category) => ({ label: category, words: [category] }))

/** A label as a decision; that of a binary question is a score too. */
export const labelled = (label: string, question: Question, from: string): Value => ({
  score: question.type === 'binary' ? (label === 'yes' ? 1 : 0) : null,
  label,
  from,
})
