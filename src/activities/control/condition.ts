import { isDeepStrictEqual } from 'node:util'
import { z } from 'zod'
import { AppError } from '../../lib/errors.ts'
import { isObject } from '../../lib/json/json-object.ts'

const falseTexts = ['', 'false', 'no', '0']

/** True for true, non-zero numbers, non-empty lists and objects, and texts that do not mean "no". */
const isTruthy = (value: unknown): boolean => {
  if (typeof value === 'string') return !falseTexts.includes(value.trim().toLowerCase())
  if (Array.isArray(value)) return value.length > 0
  if (isObject(value)) return Object.keys(value).length > 0
  return Boolean(value)
}

const asNumber = (value: unknown): number | undefined => {
  if (typeof value === 'number') return value
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : Number.NaN
  return Number.isNaN(number) ? undefined : number
}

/** Compares loosely: a numeric text equals its number, since models answer with either. */
const isEqual = (left: unknown, right: unknown): boolean => {
  const isMixed = typeof left !== typeof right && (typeof left === 'number' || typeof right === 'number')
  return isMixed ? asNumber(left) !== undefined && asNumber(left) === asNumber(right) : isDeepStrictEqual(left, right)
}

/** Negative: less; positive: greater. Numbers compare by size, texts by characters. */
const compare = (left: unknown, right: unknown): number => {
  const [first, second] = [asNumber(left), asNumber(right)]
  if (first !== undefined && second !== undefined) return first - second
  if (typeof left === 'string' && typeof right === 'string') return left < right ? -1 : left > right ? 1 : 0
  throw new AppError(
    'parameter_invalid',
    `${kindOf(left)} and ${kindOf(right)} cannot be compared by order; expected two numbers or two texts`,
  )
}

const kindOf = (value: unknown): string =>
  value === null || value === undefined ? 'nothing' : Array.isArray(value) ? 'a list' : `a ${typeof value}`

const contains = (whole: unknown, part: unknown): boolean => {
  if (typeof whole === 'string') return whole.includes(typeof part === 'string' ? part : JSON.stringify(part))
  if (Array.isArray(whole)) return whole.some((item) => isEqual(item, part))
  return isObject(whole) && typeof part === 'string' && Object.hasOwn(whole, part)
}

const tests = {
  '==': isEqual,
  '!=': (left: unknown, right: unknown) => !isEqual(left, right),
  '>': (left: unknown, right: unknown) => compare(left, right) > 0,
  '>=': (left: unknown, right: unknown) => compare(left, right) >= 0,
  '<': (left: unknown, right: unknown) => compare(left, right) < 0,
  '<=': (left: unknown, right: unknown) => compare(left, right) <= 0,
  contains,
  not_contains: (left: unknown, right: unknown) => !contains(left, right),
  in: (left: unknown, right: unknown) => contains(right, left),
  not_in: (left: unknown, right: unknown) => !contains(right, left),
}

export type Operator = keyof typeof tests

/** Parameters of a comparison. */
export const comparing = {
  operator: z
    .enum(Object.keys(tests) as [Operator, ...Operator[]])
    .optional()
    .describe(
      `Compares with \`value\`: ${Object.keys(tests).join(', ')}. Without it, the condition holds if the value is not empty.`,
    ),
  value: z.unknown().optional().describe('The value to compare with.'),
}

/** Evaluates a condition: by its operator, else by its truthiness. */
export const holds = (condition: unknown, operator: Operator | undefined, value: unknown): boolean =>
  operator === undefined ? isTruthy(condition) : tests[operator](condition, value)
