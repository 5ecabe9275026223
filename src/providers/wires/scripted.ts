import { AppError } from '../../lib/errors.ts'
import { isObject } from '../../lib/json/json-object.ts'
import type { ChatChunk, ChatCompletion, ChatRequest } from '../../model/gateway/chat.ts'
import type { Wire, WireCall, WireProtocol } from '../provider.ts'
import { chunksOf } from '../upstream/convert/completion-to-chunks.ts'
import { judgeScripted } from './scripted-judge.ts'
import { messageText, schemaOf } from './scripted-texts.ts'

/** The models of the built-in provider. None is a real model, and each says so. */
export const scriptedModels = ['echo', 'json', 'tools', 'judge', 'judge-low'] as const

export type ScriptedModel = (typeof scriptedModels)[number]

export const isScripted = (name: string): name is ScriptedModel => (scriptedModels as readonly string[]).includes(name)

const lastFromUser = (request: ChatRequest): string => {
  const message = request.messages.findLast(({ role }) => role === 'user') ?? request.messages.at(-1)
  return message ? messageText(message) : ''
}

/** The simplest value that fits a JSON Schema: the first option, the minimum, and `text` for strings. */
const valueFor = (schema: unknown, text: string, depth = 0): unknown => {
  if (!isObject(schema) || depth > 20) return text
  if (schema.const !== undefined) return schema.const
  if (Array.isArray(schema.enum)) return schema.enum[0]
  const branch = [schema.anyOf, schema.oneOf, schema.allOf].find(Array.isArray)
  if (branch) return valueFor(branch[0], text, depth + 1)
  const type = Array.isArray(schema.type) ? schema.type[0] : schema.type
  if (type === 'number' || type === 'integer') return typeof schema.minimum === 'number' ? schema.minimum : 0
  if (type === 'boolean') return true
  if (type === 'null') return null
  if (type === 'array') {
    const items = Math.min(typeof schema.minItems === 'number' ? schema.minItems : 1, 100)
    return Array.from({ length: items }, () => valueFor(schema.items, text, depth + 1))
  }
  if (type === 'object' || isObject(schema.properties)) {
    const properties = isObject(schema.properties) ? schema.properties : {}
    return Object.fromEntries(Object.entries(properties).map(([key, of]) => [key, valueFor(of, text, depth + 1)]))
  }
  return text
}

const objectFor = (request: ChatRequest): unknown => {
  const text = lastFromUser(request)
  const schema = schemaOf(request)
  return schema ? valueFor(schema, text) : { text }
}

/** Results of the tool calls since the last message of the user, a line each. */
const toolResults = ({ messages }: ChatRequest): string[] =>
  messages
    .slice(messages.findLastIndex(({ role }) => role === 'user') + 1)
    .filter(({ role }) => role === 'tool')
    .map(messageText)

/** One call of each offered tool, with the simplest arguments that fit; none once there are results. */
const toolCalls = (request: ChatRequest): unknown[] => {
  const { tools, tool_choice: choice } = request
  if (!Array.isArray(tools) || choice === 'none' || toolResults(request).length > 0) return []
  return tools.flatMap((tool, at) => {
    const offered = isObject(tool) && isObject(tool.function) ? tool.function : {}
    if (typeof offered.name !== 'string') return []
    const given = requiredOnly(offered.parameters, lastFromUser(request))
    return [{ id: `call_${at}`, type: 'function', function: { name: offered.name, arguments: JSON.stringify(given) } }]
  })
}

/** The simplest object that fits: with the members that it must have. */
const requiredOnly = (schema: unknown, text: string): unknown => {
  const { properties, required } = isObject(schema) ? schema : {}
  const needed = Array.isArray(required) ? required.map(String) : []
  const entries = needed.map((name) => [name, valueFor(isObject(properties) ? properties[name] : undefined, text)])
  return Object.fromEntries(entries)
}

const words = (text: string): number => text.match(/\S+/g)?.length ?? 0

const saidBy: Readonly<Record<ScriptedModel, (request: ChatRequest) => string>> = {
  echo: lastFromUser,
  json: (request) => JSON.stringify(objectFor(request)),
  tools: (request) => toolResults(request).join('\n') || lastFromUser(request),
  judge: (request) => judgeScripted(request, 'best'),
  'judge-low': (request) => judgeScripted(request, 'worst'),
}

/** Answers as a scripted model: the same for the same request, with words as tokens. */
const answerScripted = (model: ScriptedModel, request: ChatRequest): ChatCompletion => {
  const calls = model === 'tools' ? toolCalls(request) : []
  const text = calls.length > 0 ? '' : saidBy[model](request)
  const prompt = request.messages.reduce((sum, message) => sum + words(messageText(message)), 0)
  const completion = words(text)
  return {
    id: 'chatcmpl-scripted',
    object: 'chat.completion',
    created: 0,
    model: `scripted/${model}`,
    system_fingerprint: 'scripted: no real model',
    choices: [
      calls.length > 0
        ? { index: 0, message: { role: 'assistant', content: null, tool_calls: calls }, finish_reason: 'tool_calls' }
        : { index: 0, message: { role: 'assistant', content: text }, finish_reason: 'stop' },
    ],
    usage: { prompt_tokens: prompt, completion_tokens: completion, total_tokens: prompt + completion },
  }
}

/** Splits a text into words with the white space before them; trailing space stays with the last word. */
const wordByWord = (text: string): string[] => text.split(/(?<=\S)(?=\s+\S)/)

const streamed = async function* (answer: ChatCompletion): AsyncGenerator<ChatChunk> {
  yield* chunksOf(answer, wordByWord)
}

const modelOf = ({ model }: WireCall): ScriptedModel => (isScripted(model) ? model : 'echo')

const nothingElse = async (): Promise<never> => {
  throw new AppError('model_unavailable', 'Scripted models answer only chats: they make no embeddings and no images', {
    hint: 'Set the key of a provider in the environment of the collection, and name one of its models.',
  })
}

const protocol: WireProtocol = {
  complete: async (request, call) => ({ completion: answerScripted(modelOf(call), request), warnings: [] }),
  stream: async (request, call) => ({
    chunks: streamed(answerScripted(modelOf(call), request)),
    warnings: [],
  }),
  embed: nothingElse,
  draw: nothingElse,
}

/** Built-in models that answer by a fixed rule, called like any other. */
export const scriptedWire: Wire = { shapes: ['chat', 'messages'], load: async () => protocol, isBuiltIn: true }
