import { makeSchemaChecker } from '../../lib/json-schema/schema-checker.ts'

const mostComparisons = 500_000
const shownIssues = 5

/** Says why a payload does not fit a JSON Schema; undefined when it does. */
export const payloadProblem = async (schema: unknown, payload: unknown): Promise<string | undefined> => {
  if (schema === null) return undefined
  const issues = await makeSchemaChecker(schema, mostComparisons).issues(payload)
  if (issues === undefined) return 'The payload takes too long to compare with output_schema'
  if (issues.length === 0) return undefined
  const shown = issues.slice(0, shownIssues).map(({ path, message }) => `${['payload', ...path].join('.')} ${message}`)
  return `The payload does not fit output_schema: ${shown.join('; ')}`
}
