import { AppError } from '../../lib/errors.ts'
import { isObject } from '../../lib/json/json-object.ts'
import { checkedKeywords, type SchemaIssue, schemaIssues } from '../../lib/json/json-schema.ts'
import type { Workflow } from '../../model/workflows/workflow.ts'
import type { Program } from './program.ts'
import type { Remark } from './remark.ts'

/** Keywords that describe a value to people and forms. */
const annotations = new Set([
  ...['$schema', '$id', '$comment', 'title', 'description', 'default', 'examples', 'format', 'deprecated'],
  ...['readOnly', 'writeOnly', 'contentMediaType'],
])

const mostVisited = 1_000

/** Finds keywords of an input schema that have no effect, and defaults that violate it. */
export const schemaRemarks = (workflow: Workflow, { inputSchema, initParams }: Program): Remark[] => {
  if (workflow.input_schema === undefined) return []
  if (!inputSchema) return [{ message: 'input_schema is not used: it must be an object', key: 'input_schema' }]
  const given = Object.fromEntries(Object.entries(initParams).filter(([, value]) => value !== null && value !== ''))
  const violated = schemaIssues(inputSchema, given)
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

/** Lists the keywords that the server does not check. */
const unchecked = (schema: Record<string, unknown>): Remark[] => {
  const remarks: Remark[] = []
  const open: { schema: unknown; inside: (string | number)[] }[] = [{ schema, inside: [] }]
  for (let visited = 0; visited < mostVisited; visited++) {
    const next = open.pop()
    if (!next) break
    if (!isObject(next.schema)) continue
    for (const [keyword, value] of Object.entries(next.schema)) {
      const inside = [...next.inside, keyword]
      if (!checkedKeywords.has(keyword) && !annotations.has(keyword) && !keyword.startsWith('x-')) {
        remarks.push({ message: `input_schema: '${keyword}' is not checked`, key: 'input_schema', inside })
      }
      if (keyword === 'properties' && isObject(value)) {
        for (const [name, one] of Object.entries(value)) open.push({ schema: one, inside: [...inside, name] })
      } else if (Array.isArray(value) && /^(any|one|all)Of$/.test(keyword)) {
        for (const [index, one] of value.entries()) open.push({ schema: one, inside: [...inside, index] })
      } else if (keyword === 'items' || keyword === 'additionalProperties') open.push({ schema: value, inside })
    }
  }
  return remarks
}

/** Throws a 422 that names each parameter which violates the input schema of a workflow. */
export const requireInputs = (
  { inputSchema }: Pick<Program, 'inputSchema'>,
  initParams: Record<string, unknown>,
  where: readonly (string | number)[] = ['body', 'init_params'],
): void => {
  if (!inputSchema) return
  const issues = schemaIssues(inputSchema, initParams)
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
