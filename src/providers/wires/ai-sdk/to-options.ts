import type {
  JSONSchema7,
  LanguageModelV3CallOptions,
  LanguageModelV3FunctionTool,
  LanguageModelV3ToolChoice,
  SharedV3ProviderOptions,
} from '@ai-sdk/provider'
import { isObject } from '../../../lib/json/json-object.ts'
import type { ChatRequest } from '../../../model/gateway/chat.ts'
import { impossible } from '../../upstream/errors.ts'
import type { OwnOption, SdkCall } from './dialect.ts'
import { effortOf } from './effort.ts'
import type { PartContext } from './parts.ts'

/** Members of a request that are converted, or meant for this server. */
const carried = new Set([
  'model',
  'messages',
  'stream',
  'stream_options',
  'temperature',
  'max_tokens',
  'max_completion_tokens',
  'top_p',
  'top_k',
  'presence_penalty',
  'frequency_penalty',
  'stop',
  'seed',
  'n',
  'response_format',
  'tools',
  'tool_choice',
  'parallel_tool_calls',
  'reasoning_effort',
  'reasoning',
  'thinking',
  'modalities',
  'user',
])

const numberIn = (request: ChatRequest, name: string, call: SdkCall): number | undefined => {
  const value = request[name]
  if (value === undefined || value === null) return undefined
  if (typeof value === 'number' && Number.isFinite(value)) return value
  throw impossible(call, `${name} must be a number`, 'Send a number, or omit the member.')
}

const stopsOf = ({ stop }: ChatRequest, call: SdkCall): string[] | undefined => {
  if (stop === undefined || stop === null) return undefined
  const stops = Array.isArray(stop) ? stop : [stop]
  if (stops.every((one) => typeof one === 'string')) return stops
  throw impossible(call, 'stop must be a string or an array of strings', 'Send one string, or several.')
}

const schemaOf = (value: unknown): JSONSchema7 => (isObject(value) ? value : { type: 'object', properties: {} })

const formatOf = (request: ChatRequest, call: SdkCall): LanguageModelV3CallOptions['responseFormat'] => {
  const { response_format: format } = request
  if (!format || format.type === 'text') return undefined
  if (format.type === 'json_object') return { type: 'json' }
  const named = format.json_schema
  if (format.type !== 'json_schema' || !isObject(named) || !isObject(named.schema)) {
    const hint = 'Known are text, json_object and json_schema with {name, schema}.'
    throw impossible(call, `response_format is of the type '${format.type}', or has no schema`, hint)
  }
  const { name, description } = named
  return {
    type: 'json',
    schema: named.schema,
    ...(typeof name === 'string' ? { name } : {}),
    ...(typeof description === 'string' ? { description } : {}),
  }
}

const toolOf = (tool: unknown, at: number, call: SdkCall): LanguageModelV3FunctionTool => {
  const made = isObject(tool) && tool.type === 'function' && isObject(tool.function) ? tool.function : undefined
  if (typeof made?.name !== 'string') {
    const hint = 'Only functions can be offered: {type: "function", function: {name, description, parameters}}.'
    throw impossible(call, `tools[${at}] is not a function`, hint)
  }
  const { name, description, parameters, strict } = made
  return {
    type: 'function',
    name,
    inputSchema: schemaOf(parameters),
    ...(typeof description === 'string' ? { description } : {}),
    ...(typeof strict === 'boolean' ? { strict } : {}),
  }
}

const choiceOf = ({ tool_choice: choice }: ChatRequest, call: SdkCall): LanguageModelV3ToolChoice | undefined => {
  if (choice === undefined || choice === null) return undefined
  if (choice === 'auto' || choice === 'none' || choice === 'required') return { type: choice }
  const named = isObject(choice) && isObject(choice.function) ? choice.function.name : undefined
  if (typeof named === 'string') return { type: 'tool', toolName: named }
  throw impossible(
    call,
    'tool_choice is of an unknown kind',
    'Send auto, none, required, or {type: "function", function: {name}}.',
  )
}

const toolsOf = (request: ChatRequest, call: SdkCall) => {
  const { tools } = request
  if (!Array.isArray(tools) || tools.length === 0) return {}
  const toolChoice = choiceOf(request, call)
  return { tools: tools.map((tool, at) => toolOf(tool, at, call)), ...(toolChoice ? { toolChoice } : {}) }
}

/** Options that only this provider has. Members that it has no option for are reported. */
const ownOptions = (request: ChatRequest, { call, warn }: PartContext): SharedV3ProviderOptions => {
  const { dialect, model } = call
  const { parallel_tool_calls: parallel, user, modalities } = request
  const isUnsent = (name: OwnOption) => !dialect.sends.includes(name)
  if (parallel === false && isUnsent('parallel_tool_calls')) {
    warn('parallel_tool_calls: several calls at once cannot be forbidden')
  }
  if (typeof user === 'string' && isUnsent('user')) warn('user is not sent')
  if (Array.isArray(modalities) && modalities.some((one) => one !== 'text') && isUnsent('modalities')) {
    warn('modalities: it answers with text alone')
  }
  const effort = effortOf(request)
  const reasoning = effort ? dialect.reasoning(effort, model) : {}
  return { [dialect.namespace]: { ...reasoning, ...dialect.own?.(request) } }
}

const isAsked = (value: unknown): boolean =>
  value !== undefined && value !== null && value !== false && !(isObject(value) && Object.keys(value).length === 0)

const refuseSeveral = ({ n }: ChatRequest, call: SdkCall): void => {
  if (n === undefined || n === null || n === 1) return
  throw impossible(
    call,
    'it gives one answer for each call, but n is above 1',
    'Omit n, and send one call for each answer.',
  )
}

/** Converts everything but the messages of a request. Members that cannot be sent are reported. */
export const toOptions = (request: ChatRequest, reading: PartContext): Omit<LanguageModelV3CallOptions, 'prompt'> => {
  const { call, warn } = reading
  refuseSeveral(request, call)
  for (const [name, value] of Object.entries(request)) {
    if (!carried.has(name) && isAsked(value)) warn(`${name} is not sent`)
  }
  const given = {
    maxOutputTokens: numberIn(request, 'max_tokens', call) ?? numberIn(request, 'max_completion_tokens', call),
    temperature: numberIn(request, 'temperature', call),
    topP: numberIn(request, 'top_p', call),
    topK: numberIn(request, 'top_k', call),
    presencePenalty: numberIn(request, 'presence_penalty', call),
    frequencyPenalty: numberIn(request, 'frequency_penalty', call),
    seed: numberIn(request, 'seed', call),
    stopSequences: stopsOf(request, call),
    responseFormat: formatOf(request, call),
  }
  return {
    ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)),
    ...toolsOf(request, call),
    providerOptions: ownOptions(request, reading),
  }
}
