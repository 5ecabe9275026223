import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js'
import type { z } from 'zod'
import { type AppError, toAppError } from '../lib/errors.ts'
import { isObject, parsedJson } from '../lib/json/json-object.ts'
import { issueText } from '../lib/text/issue-text.ts'
import { nearest } from '../lib/text/nearest.ts'
import { structured, typesOf } from './endpoint-tool.ts'
import { shortJson } from './shorten.ts'
import { callText, type Tool, type ToolContext, type ToolOutcome } from './tool.ts'

type Args = Record<string, unknown>

/** The arguments of those names, as far as they were given. */
const pick = (args: Args, ...names: string[]): Args =>
  Object.fromEntries(names.filter((name) => args[name] !== undefined).map((name) => [name, args[name]]))

/** The list in which something is found that a call has named wrongly. */
const listOf = (tool: Tool, args: Args): string => {
  if (tool.name.includes('routine') && args.name !== undefined) {
    return callText('list-routines', pick(args, 'collection', 'task'))
  }
  if (args.step !== undefined) return callText('explain-run', pick(args, 'collection', 'task', 'trajectory_id'))
  if (args.trajectory_id !== undefined) return callText('find-runs', pick(args, 'collection', 'task'))
  if (args.path !== undefined) return 'find the path with list-run-files or explain-run'
  if (args.task !== undefined) return callText('list-tasks', pick(args, 'collection'))
  if (tool.name === 'get-step-template') return callText('list-step-templates', {})
  return callText('list-collections', {})
}

const waitText = ({ retryAfterSeconds = 5 }: AppError): string =>
  `wait ${Math.ceil(retryAfterSeconds)} seconds, then repeat the same call`

/** Suggests the next step after an error, as a call of a tool if one helps. */
const nextCall = (tool: Tool, args: Args, error: AppError): string | undefined => {
  switch (error.code) {
    case 'not_found':
      return listOf(tool, args)
    case 'invalid':
    case 'bad_request':
      if (args.workflow !== undefined) return 'check the workflow with validate-workflow before saving it'
      return args.init_params === undefined
        ? undefined
        : `${callText('get-task', pick(args, 'collection', 'task'))} shows the parameters in input_schema`
    case 'still_running':
      return callText('wait-for-run', {
        ...pick(args, 'collection', 'task'),
        ...pick(error.extra ?? {}, 'trajectory_id'),
      })
    case 'model_unavailable':
      return 'set the missing key with set-environment-vars, after the person has given it to you'
    case 'forbidden':
      return 'use a tool that only reads, or ask the person for a key with WRITE access'
    case 'too_large':
      return args.trajectory_id === undefined
        ? undefined
        : callText('explain-run', pick(args, 'collection', 'task', 'trajectory_id'))
    case 'network_failed':
      return 'start the server with `jetty serve`, or correct JETTY_API_URL'
    default:
      return error.retryable ? waitText(error) : undefined
  }
}

/** The text of a failed call: the status and sentence of the API, its hint, and the next call. */
const toolErrorText = (tool: Tool, args: Args, thrown: unknown): string => {
  const error = toAppError(thrown)
  const next = nextCall(tool, args, error)
  return [
    `Jetty API error ${error.status}: ${error.message}`,
    ...(error.hint ? [error.hint] : []),
    ...(next ? [`Next: ${next}`] : []),
  ].join('\n')
}

/** The text for arguments that do not fit. */
const wrongArguments = (tool: Tool, faults: readonly string[]): string =>
  `Wrong arguments for ${tool.name}: ${faults.join('; ')}\nIt takes: ${Object.keys(tool.input.shape).join(', ') || 'no arguments'}`

/** Characters of a result: about 8,000 tokens. Common clients warn above 10,000 tokens and cut above 25,000. */
const longestResult = 30_000

const failed = (text: string): CallToolResult => ({ isError: true, content: [{ type: 'text', text }] })

const shown = ({ output }: Tool, { value, image, rest }: ToolOutcome): CallToolResult => {
  const { text, value: short, isCut } = shortJson(value, longestResult)
  return {
    structuredContent: structured(output, short),
    content: [
      { type: 'text', text },
      ...(image ? [{ type: 'image' as const, data: image.base64, mimeType: image.mimeType }] : []),
      ...(isCut
        ? [
            {
              type: 'text' as const,
              text: `Shortened to ${longestResult} characters.${rest ? ` The rest: ${rest}` : ''}`,
            },
          ]
        : []),
    ],
  }
}

const faultText = (issue: z.core.$ZodIssue, tool: Tool): string => {
  if (issue.code !== 'unrecognized_keys') return `${issue.path.join('.') || 'arguments'}: ${issueText(issue)}`
  const names = issue.keys.map((key) => {
    const likely = nearest(key, Object.keys(tool.input.shape))
    return `${key}${likely ? ` (did you mean ${likely}?)` : ''}`
  })
  return `unknown ${names.join(', ')}`
}

/** Reads JSON in a text, if it is of the kind that is wanted. */
const parsedAs = (text: string, isWanted: (value: unknown) => boolean): unknown => {
  const value = parsedJson(text)
  return isWanted(value) ? value : undefined
}

/**
 * Arguments as models send them: one value where a list of values is wanted, and a list or an object as its JSON text. What
 * these mean is not in doubt.
 */
const meantArguments = ({ input }: Tool, args: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(args).map(([name, value]) => {
      const schema: unknown = input.shape[name]
      if (typeof value !== 'string' || !schema) return [name, value]
      const types = typesOf(schema)
      if (types?.has('string') !== false) return [name, value]
      if (types.has('array')) return [name, parsedAs(value, Array.isArray) ?? [value]]
      return [name, types.has('object') ? (parsedAs(value, isObject) ?? value) : value]
    }),
  )

/** Calls a tool. Whatever goes wrong is a result that says so, since models read results; only a cancelled call throws. */
export const callTool = async (
  tool: Tool,
  given: Record<string, unknown>,
  context: ToolContext,
): Promise<CallToolResult> => {
  const args = meantArguments(tool, given)
  const checked = tool.input.safeParse(args)
  if (!checked.success) {
    return failed(
      wrongArguments(
        tool,
        checked.error.issues.slice(0, 10).map((issue) => faultText(issue, tool)),
      ),
    )
  }
  try {
    return shown(tool, await tool.run(context, args))
  } catch (error) {
    context.signal.throwIfAborted()
    return failed(toolErrorText(tool, args, error))
  }
}
