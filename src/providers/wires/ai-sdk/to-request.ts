import type {
  JSONSchema7,
  LanguageModelV3CallOptions,
  LanguageModelV3FunctionTool,
  LanguageModelV3Message,
  LanguageModelV3Prompt,
  LanguageModelV3ReasoningPart,
  LanguageModelV3ToolCallPart,
  LanguageModelV3ToolChoice,
  LanguageModelV3ToolResultOutput,
  LanguageModelV3ToolResultPart,
  SharedV3ProviderOptions,
} from '@ai-sdk/provider'
import { isObject, parsedJson } from '../../../lib/json/json-object.ts'
import type { ChatMessage, ChatRequest } from '../../../model/gateway/chat.ts'
import { impossible } from '../../upstream/errors.ts'
import type { OwnOption, SdkCall } from './dialect.ts'
import { effortOf } from './effort.ts'
import { cacheMark, type PartContext, partOf } from './parts.ts'
import { readSignature, readThoughtSignature } from './signatures.ts'

type AssistantPart = Extract<LanguageModelV3Message, { role: 'assistant' }>['content'][number]

/** Members of a message that are read; others are reported. */
const known = new Set([
  'role',
  'content',
  'tool_calls',
  'tool_call_id',
  'reasoning',
  'reasoning_content',
  'reasoning_details',
  'refusal',
  'cache_control',
])

const isGiven = (value: unknown): boolean =>
  value !== undefined && value !== null && !(Array.isArray(value) && value.length === 0)

const partsOf = async ({ content }: ChatMessage, where: string, reading: PartContext) => {
  const parts = typeof content === 'string' ? [{ type: 'text', text: content }] : (content ?? [])
  return Promise.all(parts.map((part, at) => partOf(part, `${where}.content[${at}]`, reading)))
}

const systemText = async (message: ChatMessage, where: string, reading: PartContext): Promise<string> => {
  const parts = await partsOf(message, where, reading)
  if (!parts.every((part) => part.type === 'text')) {
    throw impossible(
      reading.call,
      `${where} shows more than text to the system`,
      'Put files into a message of the user.',
    )
  }
  return parts.map((part) => (part.type === 'text' ? part.text : '')).join('\n')
}

const toolCallOf = (call: unknown, where: string, reading: PartContext): LanguageModelV3ToolCallPart => {
  const made = isObject(call) && isObject(call.function) ? call.function : undefined
  if (!isObject(call) || typeof call.id !== 'string' || typeof made?.name !== 'string') {
    const hint = 'Send the calls as the model made them: {id, type: "function", function: {name, arguments}}.'
    throw impossible(reading.call, `${where} is no call of a function`, hint)
  }
  const written = typeof made.arguments === 'string' && made.arguments.trim() !== '' ? made.arguments : '{}'
  const input = parsedJson(written)
  if (!isObject(input)) {
    throw impossible(reading.call, `${where}.function.arguments is no JSON object`, 'Send what the model wrote.')
  }
  return {
    type: 'tool-call',
    toolCallId: call.id,
    toolName: made.name,
    input,
    ...readThoughtSignature(call, reading.call),
  }
}

const reasoningOf = (message: ChatMessage, reading: PartContext): LanguageModelV3ReasoningPart[] => {
  const details = message.reasoning_details
  // A provider takes a thought back only with its signature, and does without it otherwise.
  return Array.isArray(details) ? details.flatMap((detail) => readSignature(detail, reading.call)) : []
}

const assistant = async (
  message: ChatMessage,
  where: string,
  reading: PartContext,
): Promise<LanguageModelV3Message> => {
  const calls = Array.isArray(message.tool_calls) ? message.tool_calls : []
  const said = (await partsOf(message, where, reading)).filter((part) => part.type !== 'text' || part.text !== '')
  if (typeof message.refusal === 'string') said.push({ type: 'text', text: message.refusal })
  const content: AssistantPart[] = [
    ...reasoningOf(message, reading),
    ...said,
    ...calls.map((call, at) => toolCallOf(call, `${where}.tool_calls[${at}]`, reading)),
  ]
  if (calls.length > 0 && said.length > 0 && !reading.call.dialect.hasPlainTools) {
    reading.warn(`${where}.content: what stands beside calls of tools is not sent`)
  }
  return { role: 'assistant', content, ...cacheMark(message, reading.call) }
}

const outputOf = async (
  message: ChatMessage,
  where: string,
  reading: PartContext,
): Promise<LanguageModelV3ToolResultOutput> => {
  const parts = await partsOf(message, where, reading)
  if (parts.every((part) => part.type === 'text')) {
    return { type: 'text', value: parts.map((part) => (part.type === 'text' ? part.text : '')).join('\n') }
  }
  const value = parts.map((part) => {
    if (part.type === 'text') return { type: 'text' as const, text: part.text }
    // Never pass the URL: the package would download it itself, around the guarded network.
    if (typeof part.data !== 'string' || !reading.call.dialect.hasPlainTools) {
      throw impossible(reading.call, `${where} gives a file to the model`, 'Send it as text, or as an image in base64.')
    }
    const kind = part.mediaType.startsWith('image/') ? ('image-data' as const) : ('file-data' as const)
    return { type: kind, data: part.data, mediaType: part.mediaType }
  })
  return { type: 'content', value }
}

const namesOfCalls = (messages: ChatMessage[]): Map<unknown, string> => {
  const calls = messages.flatMap(({ tool_calls: made }) => (Array.isArray(made) ? made.filter(isObject) : []))
  return new Map(calls.map((call) => [call.id, isObject(call.function) ? String(call.function.name) : '']))
}

/** Files in results of tools are always sent as bytes. */
const withoutUrls = (reading: PartContext): PartContext => ({ ...reading, supportedUrls: {} })

/** Converts the messages of a request: system messages first, results of one turn together. */
export const toPrompt = async ({ messages }: ChatRequest, reading: PartContext): Promise<LanguageModelV3Prompt> => {
  const names = namesOfCalls(messages)
  const systems: LanguageModelV3Prompt = []
  const rest: LanguageModelV3Prompt = []

  const result = async (message: ChatMessage, where: string): Promise<LanguageModelV3ToolResultPart> => {
    const toolName = names.get(message.tool_call_id)
    if (toolName === undefined) {
      const hint = 'Put the message of the assistant that made the call before its result.'
      throw impossible(reading.call, `${where}.tool_call_id names no call that was made before`, hint)
    }
    const output = await outputOf(message, where, withoutUrls(reading))
    return {
      type: 'tool-result',
      toolCallId: String(message.tool_call_id),
      toolName,
      output,
      ...cacheMark(message, reading.call),
    }
  }

  for (const [at, message] of messages.entries()) {
    const where = `messages[${at}]`
    for (const [name, value] of Object.entries(message)) {
      if (!known.has(name) && isGiven(value)) reading.warn(`${where}.${name} is not sent`)
    }
    switch (message.role) {
      case 'system':
      case 'developer':
        if (rest.length > 0)
          reading.warn(`${where}: it stands before the conversation now, where a system prompt has its place`)
        systems.push({
          role: 'system',
          content: await systemText(message, where, reading),
          ...cacheMark(message, reading.call),
        })
        break
      case 'user':
        rest.push({
          role: 'user',
          content: await partsOf(message, where, reading),
          ...cacheMark(message, reading.call),
        })
        break
      case 'assistant':
        rest.push(await assistant(message, where, reading))
        break
      case 'tool': {
        const last = rest.at(-1)
        const part = await result(message, where)
        if (last?.role === 'tool') last.content.push(part)
        else rest.push({ role: 'tool', content: [part] })
        break
      }
      default:
        throw impossible(
          reading.call,
          `${where} is by '${message.role}'`,
          'Known are system, developer, user, assistant and tool.',
        )
    }
  }
  return [...systems, ...rest]
}

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
