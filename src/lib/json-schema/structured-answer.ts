import { isObject, jsonAnswer } from '../json/json-object.ts'
import { isDeeperThan, maxJsonDepth } from '../json/json-text.ts'
import { makeSchemaChecker } from './schema-checker.ts'

const mostComparisons = 500_000
const shownIssues = 5

/** The value of an answer, or why it cannot be used. */
export type StructuredReading = { value: unknown } | { problem: string }

/** Reads an answer in JSON, and checks that it fits a schema. */
export const readStructured = async (
  text: string,
  schema: Readonly<Record<string, unknown>>,
): Promise<StructuredReading> => {
  if (isDeeperThan(text, maxJsonDepth)) return { problem: `it is nested deeper than ${maxJsonDepth} levels` }
  const value = jsonAnswer(text)
  if (value === undefined) return { problem: 'it is not JSON' }
  const issues = await makeSchemaChecker(schema, mostComparisons).issues(value)
  if (issues === undefined) return { problem: 'it takes too long to compare with the schema' }
  if (issues.length === 0) return { value }
  const shown = issues.slice(0, shownIssues).map(({ path, message }) => `${path.join('.') || 'the answer'} ${message}`)
  return { problem: shown.join('; ') }
}

/** The members of an answer as outputs, where no output has that name. */
export const memberOutputs = (json: unknown, outputs: object): Record<string, unknown> => {
  const members = isObject(json) ? Object.entries(json) : []
  return Object.fromEntries(
    members.filter(([key]) => key !== 'json' && key !== '__proto__' && !Object.hasOwn(outputs, key)),
  )
}
