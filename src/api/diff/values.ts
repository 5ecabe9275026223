import { jsonDifference } from '../../lib/json/json-difference.ts'
import { parsedJson } from '../../lib/json/json-object.ts'
import type { ValueDifference } from '../../model/runs/run-difference.ts'

const mostPaths = 100
/** Characters shown of a value that is too large. */
export const shownCharacters = 500

/** Remaining space for values in one answer; later values are shortened to their beginnings. */
export interface Allowance {
  /** Reserves space for two values of that many bytes each; false when they must be shortened. */
  take(bytes: number): boolean
}

export const makeAllowance = (mostBytes: number): Allowance => {
  let left = mostBytes
  return {
    take(bytes) {
      const isWhole = 2 * bytes <= left
      left -= isWhole ? 2 * bytes : 0
      return isWhole
    },
  }
}

export interface Texts {
  left: string | null
  right: string | null
}

const parsed = (text: string | null): unknown => (text === null ? null : parsedJson(text))

/** Compares two JSON texts; undefined when only their spelling differs. */
export const wholeDifference = ({ left, right }: Texts): ValueDifference | undefined => {
  if (left === right) return undefined
  const values = { left: parsed(left), right: parsed(right) }
  const { paths, more } = jsonDifference(values.left, values.right, mostPaths)
  return paths.length === 0 ? undefined : { ...values, paths, more_paths: more, clipped: false }
}

/** Compares the beginnings of texts that are too large. */
export const clippedDifference = ({ left, right }: Texts): ValueDifference => ({
  left: begin(left),
  right: begin(right),
  paths: [],
  more_paths: true,
  clipped: true,
})

const begin = (text: string | null): string | null =>
  text !== null && text.length > shownCharacters ? `${text.slice(0, shownCharacters)}…` : text

/** Compares texts already in memory. */
export const textDifference = (texts: Texts, allowance: Allowance): ValueDifference | undefined => {
  if (texts.left === texts.right) return undefined
  const length = Math.max(texts.left?.length ?? 0, texts.right?.length ?? 0)
  return allowance.take(length) ? wholeDifference(texts) : clippedDifference(texts)
}
