import { isObject, type JsonObject } from '../json/json-object.ts'
import { doAtOnce, type Pieces } from '../slices.ts'
import { type ComparisonBudget, countCharacters, countMembers, isSame, lengthOf } from './comparison-budget.ts'

/** A violation of a schema, and its path: member names and indices. */
export interface SchemaIssue {
  path: (string | number)[]
  message: string
}

const mostIssues = 20
/** Maximum pairs of a schema and a value that are compared, whatever the sizes of both. */
const mostComparisons = 100_000

/** Checks a value for a keyword of a schema. What looks into the value does so piece by piece. */
export type KeywordCheck = (schema: JsonObject, value: unknown, at: At) => Pieces<void> | void

/** Comparisons of one piece: 2 ms. */
const comparisonsOfPiece = 2_000

/** Where a check is, and what it may still do. */
interface At {
  path: (string | number)[]
  budget: ComparisonBudget
  checks: readonly (readonly [keyword: string, check: KeywordCheck])[]
  /** Steps into the value below which nothing is checked. */
  deepest: number
  /** How many references led to this schema without a step into the value. */
  references: number
  /** A message that shows a value is made where it is needed only: both may be large. */
  report(path: SchemaIssue['path'], message: string | (() => string)): void
  /** What is left of the budget when others get their turn. */
  pause: { at: number }
}

/**
 * Checks a value against a JSON Schema, for the keywords in `checkedKeywords`: `pattern` and `$ref` are left out.
 * `makeSchemaChecker` has them.
 */
export function* schemaPieces(
  schema: unknown,
  value: unknown,
  shared: ComparisonBudget = { left: mostComparisons },
): Pieces<SchemaIssue[]> {
  const most = Math.min(mostComparisons, shared.left)
  const budget = { left: most }
  const issues = yield* issuesBy({ checks: basicChecks, budget, deepest: 32 }, schema, value)
  shared.left -= most - Math.max(0, budget.left)
  return issues
}

/** Checks a value at once, as `schemaPieces` does. */
export const schemaIssues = (schema: unknown, value: unknown): SchemaIssue[] => doAtOnce(schemaPieces(schema, value))

/** Checks a value with some checks and a budget of comparisons. */
export function* issuesBy(
  given: Pick<At, 'checks' | 'budget' | 'deepest'>,
  schema: unknown,
  value: unknown,
): Pieces<SchemaIssue[]> {
  const issues: SchemaIssue[] = []
  const report: At['report'] = (path, message) => {
    if (issues.length < mostIssues) issues.push({ path, message: typeof message === 'string' ? message : message() })
  }
  const pause = { at: given.budget.left - comparisonsOfPiece }
  yield* checkValue(schema, value, { ...given, path: [], references: 0, report, pause })
  return issues
}

export function* checkValue(schema: unknown, value: unknown, at: At): Pieces<void> {
  if (schema === false) at.report(at.path, 'is not allowed')
  if (!isObject(schema) || at.path.length > at.deepest || at.budget.left-- <= 0) return
  if (at.budget.left < at.pause.at) {
    at.pause.at = at.budget.left - comparisonsOfPiece
    yield
  }
  for (const [keyword, check] of at.checks) {
    const inside = Object.hasOwn(schema, keyword) ? check(schema, value, at) : undefined
    if (inside) yield* inside
  }
}

const below = (at: At, step: string | number): At => ({ ...at, path: [...at.path, step], references: 0 })

const typeOf = (value: unknown): string => (value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value)

const hasType = (value: unknown, type: unknown): boolean =>
  type === 'integer' ? Number.isInteger(value) : typeOf(value) === type

/** A value as messages name it, cut to 60 characters. */
export const briefValue = (value: unknown): string => {
  const text = JSON.stringify(value) ?? String(value)
  return text.length > 60 ? `${text.slice(0, 59)}…` : text
}

/** Makes the check of a keyword that limits a number derived from the value; undefined for other types of values. */
const limit =
  (
    keyword: string,
    of: (value: unknown) => number | undefined,
    fits: (a: number, b: number) => boolean,
    said: string,
  ): KeywordCheck =>
  (schema, value, { path, report, budget }) => {
    if (typeof value === 'string') countCharacters(budget, value.length)
    const [wanted, measured] = [schema[keyword], of(value)]
    if (typeof wanted !== 'number' || measured === undefined || fits(measured, wanted)) return
    report(path, said.replace('%', String(wanted)))
  }

const numberOf = (value: unknown) => (typeof value === 'number' ? value : undefined)
const itemsOf = (value: unknown) => (Array.isArray(value) ? value.length : undefined)
const atLeast = (a: number, b: number) => a >= b
const atMost = (a: number, b: number) => a <= b

/** Whether a value fits a schema; nested alternatives are not described one by one. */
function* fitsSchema(schema: unknown, value: unknown, at: At): Pieces<boolean> {
  let isFit = true
  yield* checkValue(schema, value, {
    ...at,
    report: () => {
      isFit = false
    },
  })
  return isFit
}

const listOf = (schema: JsonObject, keyword: string): unknown[] => {
  const written = schema[keyword]
  return Array.isArray(written) ? written : []
}

const formsOf = (schema: JsonObject, keyword: string, { budget }: At): unknown[] => {
  const forms = listOf(schema, keyword)
  countMembers(budget, forms.length)
  return forms
}

export const checks: Readonly<Record<string, KeywordCheck>> = {
  type: ({ type }, value, { path, report, budget }) => {
    if (Array.isArray(type)) countMembers(budget, type.length)
    const types = (Array.isArray(type) ? type : [type]).filter((one) => jsonTypes.has(one as string))
    if (types.length === 0 || types.some((one) => hasType(value, one))) return
    report(path, `must be ${types.join(' or ')}, not ${typeOf(value)}`)
  },
  enum: (schema, value, { path, report, budget }) => {
    const allowed = listOf(schema, 'enum')
    countMembers(budget, allowed.length)
    if (allowed.length === 0 || allowed.some((one) => isSame(one, value, budget))) return
    report(path, () => `must be one of ${allowed.slice(0, 10).map(briefValue).join(', ')}`)
  },
  const: (schema, value, { path, report, budget }) => {
    if (!isSame(schema.const, value, budget)) report(path, () => `must be ${briefValue(schema.const)}`)
  },
  required: (schema, value, { path, report, budget }) => {
    if (!isObject(value)) return
    const names = listOf(schema, 'required')
    countMembers(budget, names.length)
    for (const name of names) {
      if (typeof name === 'string' && !Object.hasOwn(value, name)) report([...path, name], 'is required')
    }
  },
  properties: function* ({ properties }, value, at) {
    if (!isObject(properties) || !isObject(value)) return
    const named = Object.entries(properties)
    countMembers(at.budget, named.length)
    for (const [name, schema] of named) {
      if (Object.hasOwn(value, name)) yield* checkValue(schema, value[name], below(at, name))
    }
  },
  additionalProperties: function* ({ properties, additionalProperties }, value, at) {
    if (!isObject(value)) return
    const known = isObject(properties) ? properties : {}
    const members = Object.entries(value)
    countMembers(at.budget, members.length)
    for (const [name, item] of members) {
      if (!Object.hasOwn(known, name)) yield* checkValue(additionalProperties, item, below(at, name))
    }
  },
  items: function* ({ items }, value, at) {
    if (!Array.isArray(value)) return
    countMembers(at.budget, value.length)
    for (const [index, item] of value.entries()) yield* checkValue(items, item, below(at, index))
  },
  minItems: limit('minItems', itemsOf, atLeast, 'must have at least % items'),
  maxItems: limit('maxItems', itemsOf, atMost, 'must have at most % items'),
  minLength: limit('minLength', lengthOf, atLeast, 'must have at least % characters'),
  maxLength: limit('maxLength', lengthOf, atMost, 'must have at most % characters'),
  minimum: limit('minimum', numberOf, atLeast, 'must be at least %'),
  maximum: limit('maximum', numberOf, atMost, 'must be at most %'),
  exclusiveMinimum: limit('exclusiveMinimum', numberOf, (a, b) => a > b, 'must be more than %'),
  exclusiveMaximum: limit('exclusiveMaximum', numberOf, (a, b) => a < b, 'must be less than %'),
  anyOf: function* (schema, value, at) {
    const forms = formsOf(schema, 'anyOf', at)
    for (const form of forms) if (yield* fitsSchema(form, value, at)) return
    if (forms.length > 0) at.report(at.path, 'fits none of its forms')
  },
  oneOf: function* (schema, value, at) {
    const forms = formsOf(schema, 'oneOf', at)
    let fitting = 0
    for (const form of forms) if (yield* fitsSchema(form, value, at)) fitting++
    if (forms.length > 0 && fitting !== 1) at.report(at.path, `fits ${fitting} of its forms, not one`)
  },
  allOf: function* (schema, value, at) {
    for (const form of formsOf(schema, 'allOf', at)) yield* checkValue(form, value, at)
  },
}

/** Words that `type` may be; others are ignored by the checks. */
export const jsonTypes: ReadonlySet<string> = new Set([
  'string',
  'number',
  'integer',
  'boolean',
  'object',
  'array',
  'null',
])

const basicChecks = Object.entries(checks)

/** Keywords that `schemaIssues` checks. */
export const checkedKeywords: ReadonlySet<string> = new Set(Object.keys(checks))
