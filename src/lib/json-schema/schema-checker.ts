import { type LinearRegex, linearRegex } from '../regex/linear-regex.ts'
import { doInSlices } from '../slices.ts'
import { briefValue, checks, checkValue, issuesBy, type KeywordCheck, type SchemaIssue } from './json-schema.ts'
import { findReferred } from './schema-references.ts'

/** Checks values against one schema, `pattern` and `$ref` included. */
interface SchemaChecker {
  /** Undefined: the value would take more comparisons than one value, or all of them, may take. */
  issues(value: unknown): Promise<SchemaIssue[] | undefined>
}

/** A schema may refer to itself without a step into the value, which would never end. */
const mostReferences = 20
/** Comparisons that one value may take: half a second, in pieces. */
const mostOfValue = 500_000
const stepsOfComparison = 10
const comparisonsToCompile = 100

/** A reference is followed within the schema; each pattern is compiled once, and matched in linear time. */
const makeChecks = (root: unknown): Readonly<Record<string, KeywordCheck>> => {
  const compiled = new Map<string, LinearRegex | undefined>()
  const referred = new Map<string, ReturnType<typeof findReferred>>()
  const schemaAt = ($ref: string): ReturnType<typeof findReferred> => {
    if (!referred.has($ref)) referred.set($ref, findReferred(root, $ref))
    return referred.get($ref)
  }
  const regexOf = (source: string): LinearRegex | undefined => {
    const made = linearRegex(source)
    const regex = 'test' in made ? made : undefined
    compiled.set(source, regex)
    return regex
  }
  return {
    ...checks,
    pattern: function* ({ pattern }, value, { path, budget, report }) {
      if (typeof pattern !== 'string' || typeof value !== 'string' || budget.left <= 0) return
      if (!compiled.has(pattern)) budget.left -= comparisonsToCompile
      const regex = compiled.has(pattern) ? compiled.get(pattern) : regexOf(pattern)
      if (!regex) return
      const { found, steps } = yield* regex.test(value, budget.left * stepsOfComparison)
      budget.left -= Math.ceil(steps / stepsOfComparison)
      if (found === false)
        report(path, () => `must match the pattern ${briefValue(pattern)}, not be ${briefValue(value)}`)
    },
    $ref: function* ({ $ref }, value, at) {
      const found = typeof $ref === 'string' && at.references < mostReferences ? schemaAt($ref) : undefined
      if (found) yield* checkValue(found.schema, value, { ...at, references: at.references + 1 })
    },
  }
}

/** Makes a checker for values that may take so many comparisons together. */
export const makeSchemaChecker = (schema: unknown, comparisons: number): SchemaChecker => {
  const all = Object.entries(makeChecks(schema))
  let left = comparisons
  return {
    async issues(value) {
      const most = Math.min(left, mostOfValue)
      const budget = { left: most }
      try {
        const given = { checks: all, budget, deepest: Number.POSITIVE_INFINITY }
        const issues = await doInSlices(issuesBy(given, schema, value))
        return budget.left <= 0 ? undefined : issues
      } catch (error) {
        if (error instanceof RangeError) return undefined // the references of the schema nest deeper than the stack
        throw error
      } finally {
        left -= most - Math.max(0, budget.left)
      }
    },
  }
}
