import { AppError } from '../../lib/errors.ts'
import type { ComparisonBudget } from '../../lib/json-schema/comparison-budget.ts'
import { type SchemaIssue, schemaPieces } from '../../lib/json-schema/json-schema.ts'
import { misspeltTypes, uncheckedKeywords } from '../../lib/json-schema/schema-keywords.ts'
import { doInSlices, type Pieces } from '../../lib/slices.ts'
import type { Workflow } from '../../model/workflows/workflow.ts'
import type { Finding } from './finding.ts'
import type { Program } from './program.ts'

/** Finds keywords of an input schema that have no effect, and defaults that violate it. */
export function* schemaRemarks(workflow: Workflow, { inputSchema, initParams }: Program): Pieces<Finding[]> {
  if (workflow.input_schema === undefined) return []
  if (!inputSchema)
    return [{ message: 'input_schema is not used: it must be an object', key: 'input_schema', isFault: true }]
  const given = Object.fromEntries(Object.entries(initParams).filter(([, value]) => value !== null && value !== ''))
  const issues = yield* schemaPieces(inputSchema, given)
  yield
  const violated = issues
    .filter(({ path: [name] }) => name !== undefined && Object.hasOwn(given, name))
    .map((issue) => ({
      message: `The default of ${sentence(issue)}`,
      key: 'init_params',
      inside: issue.path,
      hint: 'Change the default, or the input_schema.',
    }))
  return [...unchecked(inputSchema), ...violated]
}

const sentence = ({ path, message }: SchemaIssue): string => `${path.join('.') || 'init_params'} ${message}`

const unchecked = (schema: Record<string, unknown>): Finding[] => [
  ...uncheckedKeywords(schema).map(({ keyword, inside }) => ({
    message: `input_schema: '${keyword}' is not checked`,
    key: 'input_schema',
    inside,
  })),
  ...misspeltTypes(schema).map(({ why, inside }) => ({
    message: `input_schema: any value fits at ${inside.join('.')}: ${why}`,
    key: 'input_schema',
    inside,
    isFault: true,
  })),
]

/**
 * Throws a 422 that names each parameter which violates the input schema of a workflow. What a shared budget of
 * comparisons does not suffice for counts as fitting.
 */
export const requireInputs = async (
  { inputSchema }: Pick<Program, 'inputSchema'>,
  initParams: Record<string, unknown>,
  where: readonly (string | number)[] = ['body', 'init_params'],
  budget?: ComparisonBudget,
): Promise<void> => {
  if (!inputSchema) return
  const issues = await doInSlices(schemaPieces(inputSchema, initParams, budget))
  if (issues.length === 0) return
  throw new AppError(
    'invalid',
    `init_params do not fit the input_schema of the task: ${issues.map(sentence).join('; ')}`,
    {
      hint: "Correct these parameters; the task's input_schema says what they may be.",
      issues: issues.map((issue) => ({ loc: [...where, ...issue.path], msg: sentence(issue), type: 'input_schema' })),
    },
  )
}
