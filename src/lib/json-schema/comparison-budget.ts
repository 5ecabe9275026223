import { isObject } from '../json/json-object.ts'

/** Comparisons that a check may still make. */
export interface ComparisonBudget {
  left: number
}

/** So many members of a list, or characters of a text, are looked at in the time of one comparison. */
const membersOfComparison = 10
const charactersOfComparison = 1_000

/** Takes from the budget what looking at the members of a list or an object costs. */
export const countMembers = (budget: ComparisonBudget, members: number): void => {
  budget.left -= members / membersOfComparison
}

/** Takes from the budget what reading a text costs. */
export const countCharacters = (budget: ComparisonBudget, characters: number): void => {
  budget.left -= characters / charactersOfComparison
}

/** Whether two values of JSON are equal; no longer compared where the budget is used up. */
export const isSame = (a: unknown, b: unknown, budget: ComparisonBudget): boolean => {
  if (budget.left <= 0) return false
  if (typeof a === 'string' && typeof b === 'string' && a.length === b.length) countCharacters(budget, a.length)
  if (Array.isArray(a) && Array.isArray(b)) {
    if (a.length !== b.length) return false
    countMembers(budget, a.length)
    return a.every((item, at) => isSame(item, b[at], budget))
  }
  if (!isObject(a) || !isObject(b)) return a === b
  const names = Object.keys(a)
  countMembers(budget, names.length)
  if (names.length !== Object.keys(b).length) return false
  return names.every((name) => Object.hasOwn(b, name) && isSame(a[name], b[name], budget))
}

const isBetween = (text: string, at: number, least: number, most: number): boolean => {
  const unit = text.charCodeAt(at)
  return unit >= least && unit <= most
}
/** Counts the characters of a text, those above U+FFFF once, without a copy of the text. */
export const lengthOf = (value: unknown): number | undefined => {
  if (typeof value !== 'string') return undefined
  let length = value.length
  for (let at = 1; at < value.length; at++) {
    if (isBetween(value, at, 0xdc00, 0xdfff) && isBetween(value, at - 1, 0xd800, 0xdbff)) length--
  }
  return length
}
