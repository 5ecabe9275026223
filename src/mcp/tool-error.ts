import { type AppError, toAppError } from '../lib/errors.ts'
import { callText, type Tool } from './tool.ts'

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
export const toolErrorText = (tool: Tool, args: Args, thrown: unknown): string => {
  const error = toAppError(thrown)
  const next = nextCall(tool, args, error)
  return [
    `Jetty API error ${error.status}: ${error.message}`,
    ...(error.hint ? [error.hint] : []),
    ...(next ? [`Next: ${next}`] : []),
  ].join('\n')
}

/** The text for arguments that do not fit. */
export const wrongArguments = (tool: Tool, faults: readonly string[]): string =>
  `Wrong arguments for ${tool.name}: ${faults.join('; ')}\nIt takes: ${Object.keys(tool.input.shape).join(', ') || 'no arguments'}`
