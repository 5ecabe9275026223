import type {
  LanguageModelV3Message,
  LanguageModelV3Prompt,
  LanguageModelV3ReasoningPart,
  LanguageModelV3ToolCallPart,
  LanguageModelV3ToolResultOutput,
  LanguageModelV3ToolResultPart,
} from '@ai-sdk/provider'
import { isObject, parsedJson } from '../../../lib/json/json-object.ts'
import type { ChatMessage, ChatRequest } from '../../../model/gateway/chat.ts'
import { impossible } from '../../upstream/errors.ts'
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
