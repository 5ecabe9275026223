/** The attributes of spans that call models and tools, by OpenTelemetry's conventions for GenAI (1.41). */
import { isObject, type JsonObject, parsedJson, parsedObject } from '../lib/json/json-object.ts'
import { memberSpans } from '../lib/json/json-text.ts'
import { objectsOf, stringOf } from '../lib/json/json-values.ts'

/** What a step does, in the words of the conventions; undefined: nothing that they name. */
export type GenAiOperation = 'chat' | 'embeddings' | 'generate_content' | 'invoke_agent'

type Attributes = Record<string, string | number | boolean | readonly string[] | null | undefined>

/** Providers whose name in the conventions is another one than ours. */
const providerNames: Readonly<Record<string, string>> = {
  azure: 'azure.ai.openai',
  bedrock: 'aws.bedrock',
  gemini: 'gcp.gemini',
  mistral: 'mistral_ai',
  moonshotai: 'moonshot_ai',
  vertex: 'gcp.vertex_ai',
  xai: 'x_ai',
}

const providerName = (provider: unknown): string | undefined =>
  typeof provider === 'string'
    ? Object.hasOwn(providerNames, provider)
      ? providerNames[provider]
      : provider
    : undefined

/** The members of a JSON object by name, also of a text that was cut off: without the member that is cut. */
const membersOfText = (text: string | null, names: readonly string[]): JsonObject => {
  const found: JsonObject = {}
  if (text === null) return found
  for (const { name, start, end } of memberSpans(text)) {
    if (end < text.length && names.includes(name)) found[name] = parsedJson(text.slice(start, end))
  }
  return found
}

const tokens = (value: unknown): number | undefined => (typeof value === 'number' && value >= 0 ? value : undefined)

/** Tokens and cost of model calls. `usage` is JSON: ours of a step or of one call. */
const usageAttributes = (usage: JsonObject, costUsd: unknown): Attributes => ({
  'gen_ai.usage.input_tokens': tokens(usage.prompt_tokens),
  'gen_ai.usage.output_tokens': tokens(usage.completion_tokens),
  'gen_ai.usage.cache_read.input_tokens': tokens(usage.cached_tokens),
  'gen_ai.usage.cache_creation.input_tokens': tokens(usage.cache_write_tokens),
  'gen_ai.usage.reasoning.output_tokens': tokens(usage.reasoning_tokens),
  'gen_ai.usage.cost': tokens(costUsd),
})

const textPart = (content: unknown): JsonObject => ({ type: 'text', content })

/** A part of a message of a chat in the form of the conventions. */
const partOf = (part: unknown): JsonObject => {
  if (typeof part === 'string') return textPart(part)
  if (!isObject(part)) return textPart(JSON.stringify(part))
  if (typeof part.text === 'string') return textPart(part.text)
  if (part.type === 'tool_use') return { type: 'tool_call', id: part.id, name: part.name, arguments: part.input }
  if (part.type === 'tool_result') return { type: 'tool_call_response', id: part.tool_use_id, response: part.content }
  return part
}

const toolCallPart = (call: JsonObject): JsonObject => {
  const named = isObject(call.function) ? call.function : call
  const given = typeof named.arguments === 'string' ? (parsedJson(named.arguments) ?? named.arguments) : named.arguments
  return { type: 'tool_call', id: call.id, name: named.name, arguments: given }
}

/** A message of a chat, as OpenAI or Anthropic have it, in the form of the conventions: {role, parts}. */
const messageOf = (message: JsonObject): JsonObject => {
  const { role = 'user', content } = message
  if (role === 'tool') {
    return { role, parts: [{ type: 'tool_call_response', id: message.tool_call_id, response: content }] }
  }
  const said = content === null || content === undefined || content === '' ? [] : [content].flat().map(partOf)
  return { role, parts: [...said, ...objectsOf(message.tool_calls).map(toolCallPart)] }
}

/** What a model was given: messages, or a prompt with instructions. */
const inputMessages = (given: JsonObject): JsonObject[] => {
  const prompt = given.prompt ?? given.input
  const listed = [given.messages, given.input].find(Array.isArray)
  return [
    ...[given.system_prompt, given.system, given.instructions]
      .filter((one) => one !== undefined && one !== null)
      .map((content) => messageOf({ role: 'system', content })),
    ...objectsOf(listed).map(messageOf),
    ...(listed === undefined && prompt !== undefined ? [messageOf({ role: 'user', content: prompt })] : []),
  ]
}

const givenNames = ['messages', 'prompt', 'input', 'system_prompt', 'system', 'instructions']
const requestNames = ['model', 'provider', 'temperature', 'max_tokens', 'top_p', 'stream']
const answerNames = ['model', 'provider', 'model_provider', 'agent', 'finish_reason', 'usage', 'text', 'tool_calls']

/** What is known of a call to a model. Texts are JSON, and may be cut off. */
export interface ModelWork {
  operation: GenAiOperation
  /** Name of the step. */
  name: string
  inputs: string | null
  outputs: string | null
  /** Tokens and cost of all calls of the step; null: none that this span counts. */
  usage: string | null
  /** What the client of a recorded call sent; null for a step. */
  request: string | null
}

/** Name and attributes of the span of a step that calls a model. `mostCharacters` limits contents; 0 leaves them out. */
export const modelAttributes = (work: ModelWork, mostCharacters: number): { name: string; attributes: Attributes } => {
  const { operation, request } = work
  const asked = {
    ...membersOfText(request, requestNames),
    ...membersOfText(work.inputs, requestNames),
  }
  const answer = membersOfText(work.outputs, answerNames)
  const usage = work.usage === null ? undefined : (parsedObject(work.usage) ?? {})
  const model = stringOf(asked.model) || stringOf(answer.model) || undefined
  const agent = operation === 'invoke_agent' ? stringOf(answer.agent) || work.name : undefined
  const finish = stringOf(answer.finish_reason)
  const details = isObject(answer.usage) ? answer.usage : {}
  const isOpen = mostCharacters > 0
  const given = isOpen ? inputMessages(membersOfText(request ?? work.inputs, givenNames)) : []
  return {
    name: `${operation} ${agent ?? model ?? work.name}`,
    attributes: {
      'gen_ai.operation.name': operation,
      'gen_ai.provider.name': providerName(answer.provider ?? answer.model_provider ?? asked.provider),
      'gen_ai.agent.name': agent,
      'gen_ai.request.model': model,
      'gen_ai.request.temperature': tokens(asked.temperature),
      'gen_ai.request.top_p': tokens(asked.top_p),
      'gen_ai.request.max_tokens': tokens(asked.max_tokens),
      'gen_ai.response.model': stringOf(answer.model) || undefined,
      'gen_ai.response.finish_reasons': finish ? [finish] : undefined,
      // Without usage its tokens are in other spans: those of its calls, or of the step that it was taken from.
      ...(usage && usageAttributes({ ...details, ...usage }, usage.cost_usd)),
      ...(given.length > 0 && { 'gen_ai.input.messages': JSON.stringify(given).slice(0, mostCharacters) }),
      ...(isOpen &&
        answer.text !== undefined && { 'gen_ai.output.messages': answered(answer, finish, mostCharacters) }),
    },
  }
}

const answered = (answer: JsonObject, finish: string, mostCharacters: number): string => {
  const message = messageOf({ role: 'assistant', content: answer.text, tool_calls: answer.tool_calls })
  return JSON.stringify([{ ...message, finish_reason: finish || undefined }]).slice(0, mostCharacters)
}

/** Name and attributes of the span of one answer of a model, in a step whose model calls tools. */
export const turnAttributes = (turn: JsonObject, mostCharacters: number): { name: string; attributes: Attributes } => {
  const model = stringOf(turn.model)
  const finish = stringOf(turn.finish_reason)
  const message = isObject(turn.message) ? messageOf(turn.message) : undefined
  const said = message && JSON.stringify([{ ...message, finish_reason: finish || undefined }])
  return {
    name: `chat ${model}`,
    attributes: {
      'gen_ai.operation.name': 'chat',
      'gen_ai.provider.name': providerName(turn.provider),
      'gen_ai.request.model': model,
      'gen_ai.response.model': model,
      'gen_ai.response.finish_reasons': finish ? [finish] : undefined,
      ...usageAttributes(isObject(turn.usage) ? turn.usage : {}, turn.cost_usd),
      ...(mostCharacters > 0 && { 'gen_ai.output.messages': said?.slice(0, mostCharacters) }),
    },
  }
}

/** Name and attributes of the span of one tool call of such a step. */
export const toolAttributes = (end: JsonObject, mostCharacters: number): { name: string; attributes: Attributes } => ({
  name: `execute_tool ${stringOf(end.tool)}`,
  attributes: {
    'gen_ai.operation.name': 'execute_tool',
    'gen_ai.tool.name': stringOf(end.tool),
    'gen_ai.tool.call.id': stringOf(end.id),
    'gen_ai.tool.type': 'function',
    ...(mostCharacters > 0 && { 'gen_ai.tool.call.result': stringOf(end.content).slice(0, mostCharacters) }),
  },
})
