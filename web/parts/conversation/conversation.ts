import { isObject, jsonOrText } from '../../../src/lib/json/json-object.ts'
import type { RunStep } from '../../data/run.ts'
import { factsOfMessages, type MessageFacts } from './tool-turns.ts'

/** One part of a message. */
export type MessagePart =
  | { kind: 'text'; text: string }
  | { kind: 'thought'; text: string }
  | { kind: 'image'; source: string }
  | { kind: 'call'; id: string; name: string; arguments: unknown }
  | { kind: 'result'; id: string; content: unknown; failed: boolean }
  | { kind: 'other'; value: unknown }

export interface Message {
  role: string
  /** Name of the speaker or tool, where it was sent. */
  name?: string
  /** What it took, in a conversation with tools. */
  facts?: MessageFacts
  parts: MessagePart[]
}

export interface TokenCount {
  sent: number
  answered: number
  cached?: number
  reasoned?: number
  /** The provider did not count them. */
  isEstimated?: true
}

/** What was said in one call of a model, in any of the shapes that providers speak. */
export interface Conversation {
  model: string
  provider: string | undefined
  messages: Message[]
  /** How many of the messages are the question; the rest is the answer. */
  asked: number
  tokens: TokenCount | undefined
  /** Null: it has no known price. Undefined: it was not recorded. */
  costUsd: number | null | undefined
  finish: string | undefined
  firstTokenMs: number | undefined
  totalMs: number | undefined
  /** Members of the request beside the messages, such as `temperature`. */
  knobs: [name: string, value: unknown][]
}

type Members = Record<string, unknown>

const textOr = <Other>(value: unknown, other: Other): string | Other => (typeof value === 'string' ? value : other)
const numberOf = (value: unknown): number | undefined => (typeof value === 'number' ? value : undefined)

/** JSON in a text, such as the arguments of a call; the text itself where it is none. */
const parsed = (value: unknown): unknown => {
  return typeof value === 'string' ? jsonOrText(value) : value
}

const imageOf = (part: Members): string | undefined => {
  const url = part.image_url ?? part.url
  if (typeof url === 'string') return url
  if (isObject(url)) return textOr(url.url, undefined)
  const { source } = part
  if (!isObject(source)) return undefined
  if (typeof source.url === 'string') return source.url
  return typeof source.data === 'string' ? `data:${source.media_type};base64,${source.data}` : undefined
}

const scaleOfPart = (part: unknown): MessagePart => {
  if (typeof part === 'string') return { kind: 'text', text: part }
  if (!isObject(part)) return { kind: 'other', value: part }
  const { type } = part
  if (typeof part.text === 'string' && String(type).includes('text')) return { kind: 'text', text: part.text }
  if (type === 'refusal') return { kind: 'text', text: textOr(part.refusal, '') }
  if (type === 'thinking') return { kind: 'thought', text: textOr(part.thinking, '') }
  if (type === 'tool_use') {
    return { kind: 'call', id: textOr(part.id, ''), name: textOr(part.name, ''), arguments: part.input }
  }
  if (type === 'tool_result') {
    return { kind: 'result', id: textOr(part.tool_use_id, ''), content: part.content, failed: part.is_error === true }
  }
  const source = imageOf(part)
  return source === undefined ? { kind: 'other', value: part } : { kind: 'image', source }
}

const partsOf = (content: unknown): MessagePart[] => {
  if (content === null || content === undefined || content === '') return []
  return Array.isArray(content) ? content.map(scaleOfPart) : [scaleOfPart(content)]
}

const callsOf = (calls: unknown): MessagePart[] =>
  (Array.isArray(calls) ? calls : []).filter(isObject).map((call) => {
    const of = isObject(call.function) ? call.function : call
    return { kind: 'call', id: textOr(call.id, ''), name: textOr(of.name, ''), arguments: parsed(of.arguments) }
  })

/** A message of any shape: OpenAI chat, Anthropic, or an item of an OpenAI response. */
const messageOf = (message: unknown): Message => {
  if (!isObject(message)) return { role: 'user', parts: partsOf(message) }
  const named = typeof message.name === 'string' ? { name: message.name } : {}
  if (message.type === 'function_call') {
    const call = { kind: 'call' as const, id: textOr(message.call_id, ''), name: textOr(message.name, '') }
    return { role: 'assistant', parts: [{ ...call, arguments: parsed(message.arguments) }] }
  }
  if (message.type === 'function_call_output') {
    const id = textOr(message.call_id, '')
    return { role: 'tool', parts: [{ kind: 'result', id, content: parsed(message.output), failed: false }] }
  }
  if (message.type === 'reasoning') {
    const parts = partsOf(message.summary)
    return {
      role: 'assistant',
      parts: parts.map((part) => (part.kind === 'text' ? { ...part, kind: 'thought' } : part)),
    }
  }
  const role = textOr(message.role, 'user')
  if (role === 'tool') {
    const result = { id: textOr(message.tool_call_id, ''), content: parsed(message.content), failed: false }
    return { role, ...named, parts: [{ kind: 'result', ...result }] }
  }
  const thought = textOr(message.reasoning_content ?? message.reasoning, '')
  const thoughts: MessagePart[] = thought === '' ? [] : [{ kind: 'thought', text: thought }]
  return { role, ...named, parts: [...thoughts, ...partsOf(message.content), ...callsOf(message.tool_calls)] }
}

/** The whole conversation of a step with tools, as its outputs have it. */
const toldMessages = (outputs: Members, question: readonly Message[]): { messages: Message[]; asked: number } => {
  const told = listOf(outputs.messages).map(messageOf)
  // A system message is added that asks for the form of the answer.
  const isAdded = told[0]?.role === 'system' && question[0]?.role !== 'system'
  const asked = question.length + (isAdded ? 1 : 0)
  const facts = factsOfMessages(outputs, asked)
  const messages = told.map((message, at): Message => {
    const own = facts[at]
    const parts = message.parts.map((part) =>
      part.kind === 'result' ? { ...part, failed: own?.failed === true } : part,
    )
    return own ? { ...message, parts, facts: own } : message
  })
  return { messages, asked }
}

const system = (text: unknown): Message[] =>
  text === undefined || text === null || text === '' ? [] : [{ role: 'system', parts: partsOf(text) }]

const listOf = (value: unknown): unknown[] => (Array.isArray(value) ? value : value === undefined ? [] : [value])

const asText = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value))

const questionOf = (request: Members): Message[] => {
  const images = [request.image_path, request.image_url].flatMap(listOf).filter((one) => typeof one === 'string')
  const pictures = images.map((source): MessagePart => ({ kind: 'image', source }))
  const prompt = request.prompt ?? request.user_prompt_template
  return [
    ...system(request.system_prompt ?? request.system ?? request.instructions),
    ...listOf(request.messages ?? request.input).map(messageOf),
    ...(prompt === undefined
      ? []
      : [{ role: 'user', parts: [...pictures, { kind: 'text' as const, text: asText(prompt) }] }]),
  ]
}

const answerOf = (outputs: Members): Message[] => {
  const response = isObject(outputs.response) ? outputs.response : {}
  const choices = listOf(response.choices).filter(isObject)
  if (choices.length > 0)
    return choices.map((choice) => messageOf({ role: 'assistant', ...(choice.message as Members) }))
  if (Array.isArray(response.content)) return [messageOf({ role: 'assistant', content: response.content })]
  if (Array.isArray(response.output))
    return response.output.map((item) => messageOf({ role: 'assistant', ...(item as Members) }))
  const images = listOf(outputs.images).filter(isObject)
  const parts: MessagePart[] = [
    ...partsOf(outputs.text ?? outputs.content),
    ...images.map((image): MessagePart => ({ kind: 'image', source: textOr(image.path, '') })),
    ...(Array.isArray(outputs.model_calls) ? [] : callsOf(outputs.tool_calls)),
  ]
  return parts.length === 0 ? [] : [{ role: 'assistant', parts }]
}

/** Token counts under the names of either protocol. */
export const usedTokens = (usage: unknown): TokenCount | undefined => {
  if (!isObject(usage)) return undefined
  const sent = numberOf(usage.prompt_tokens ?? usage.input_tokens)
  const answered = numberOf(usage.completion_tokens ?? usage.output_tokens)
  if (sent === undefined && answered === undefined) return undefined
  const cached = numberOf(usage.cached_tokens)
  const reasoned = numberOf(usage.reasoning_tokens)
  return {
    sent: sent ?? 0,
    answered: answered ?? 0,
    ...(cached === undefined ? {} : { cached }),
    ...(reasoned === undefined ? {} : { reasoned }),
    ...(usage.estimated === true ? { isEstimated: true } : {}),
  }
}

const shownElsewhere: ReadonlySet<string> = new Set([
  ...['model', 'messages', 'input', 'prompt', 'system', 'system_prompt', 'instructions', 'image_path', 'image_url'],
  ...['user_prompt_template', 'model_provider', 'provider', 'api_key'],
])

const costOf = (usd: unknown): number | null | undefined => (usd === null ? null : numberOf(usd))

/** Activities that ask a model once, and the recorded calls of the gateway. */
const talking: ReadonlySet<string> = new Set(['litellm_chat', 'litellm_vision', 'gemini_prompt'])

/** Whether a step asked a model something that can be asked again; also one that another program made. */
export const asksModel = ({ activity, span }: Pick<RunStep, 'activity' | 'span'>): boolean =>
  span ? span.kind === 'chat' : talking.has(activity)

/**
 * The conversation of a step that asked a model; undefined for any other step. `initParams` are those of the run: a
 * recorded gateway call has its request there.
 */
export const conversationOf = (
  step: Pick<RunStep, 'activity' | 'key' | 'span' | 'usage' | 'cost_usd'> & { inputs: Members; outputs: Members },
  initParams: Members,
): Conversation | undefined => {
  const isRecorded =
    step.key === 'completion' && ('messages' in initParams || 'input' in initParams) && 'response' in step.outputs
  if (!isRecorded && !asksModel(step)) return undefined
  const request = isRecorded ? initParams : step.inputs
  const question = questionOf(request)
  const { outputs } = step
  const told = !isRecorded && Array.isArray(outputs.messages) ? toldMessages(outputs, question) : undefined
  return {
    model: textOr(outputs.model ?? request.model ?? step.inputs.model, ''),
    provider: textOr(outputs.provider ?? step.inputs.provider, undefined),
    messages: told?.messages ?? [...question, ...answerOf(outputs)],
    asked: told?.asked ?? question.length,
    tokens: usedTokens(outputs.usage ?? step.usage),
    costUsd: costOf(outputs.cost_usd ?? step.cost_usd),
    finish: textOr(outputs.finish_reason, undefined),
    firstTokenMs: numberOf(outputs.first_token_ms),
    totalMs: numberOf(outputs.total_ms),
    knobs: Object.entries(request).filter(
      ([name, value]) => !shownElsewhere.has(name) && value !== undefined && !(told && name === 'tools'),
    ),
  }
}
