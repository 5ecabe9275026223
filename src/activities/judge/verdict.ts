import type { Question } from './question.ts'
import { type Option, yesOrNo } from './read-label.ts'

/** A judge's decision, and where in the answer it was found. */
export interface Verdict {
  score: number | null
  label: string | null
  explanation: string | null
  /** Score, or label, by dimension; null without dimensions. */
  dimensions: Record<string, number | string> | null
  read_as: 'json' | 'repaired_json' | 'text'
  /** Member of the JSON answer, or the words of the text. */
  read_from: string
  warnings: string[]
}

/** A verdict, or why there is none. */
export type ParsedVerdict = { verdict: Verdict } | { problem: string }

/** One decision: a score, a label, or for a binary question both. */
export type Value = { score: number | null; label: string | null; from: string; warning?: string | undefined }
/** Labels a question allows. */
export const optionsOf = (question: Exclude<Question, { type: 'scale' }>): Option[] =>
  question.type === 'binary' ? yesOrNo : question.categories.map((category) => ({ label: category, words: [category] }))

/** Converts a label to a decision; for a binary question it is a score too. */
export const labelled = (label: string, question: Question, from: string): Value => ({
  score: question.type === 'binary' ? (label === 'yes' ? 1 : 0) : null,
  label,
  from,
})
