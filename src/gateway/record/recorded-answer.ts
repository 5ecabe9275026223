import { isObject, type JsonObject, parsedObject } from '../../lib/json/json-object.ts'
import { isDeeperThan, maxJsonDepth } from '../../lib/json/json-text.ts'
import { objectsOf, stringOf } from '../../lib/json/json-values.ts'
import type { ModelUsage } from '../../model/gateway/chat.ts'
import type { Shape } from '../../model/gateway/shape.ts'
import { addCallUsage } from '../../model/runs/step-usage.ts'
import { chargeFor } from '../../providers/prices/prices.ts'
import { statedCostIn, usageIn } from '../../providers/upstream/usage/usage.ts'
import { answerFrom } from '../transcripts/transcript.ts'
import type { FinishedCall } from './finished-call.ts'
import { type KeepBytes, mayHoldBytes, withoutBytes } from './inline-files.ts'
import { type Spent, spentOn, usageOf } from './spent.ts'

/** A call of a tool, as a chat completion writes it. */
interface ToolCall {
  id: unknown
  type: string
  function: { name: unknown; arguments: string }
}

/** The content of an answer under the same names for every shape. */
interface AnswerFacts {
  /** The words of the model; empty if it answered with something else. */
  text: string
  /** In the provider's words; a response has none, and gets OpenAI's. */
  finish_reason: string | null
  tool_calls: ToolCall[]
  /** Null if the provider counted nothing. */
  usage: ModelUsage | null
}

const stringOrNull = (value: unknown): string | null => (typeof value === 'string' ? value : null)

const member = (value: unknown, name: string): unknown => (isObject(value) ? value[name] : undefined)

/** Joins the texts of a list of parts; with `type`, of parts of that type only. */
const partsText = (parts: unknown, type?: string): string =>
  objectsOf(parts)
    .filter((part) => type === undefined || part.type === type)
    .map((part) => stringOf(part.text))
    .join('')

/** The facts of embeddings and images. */
const ofThings = (answer: JsonObject): AnswerFacts => ({
  text: '',
  finish_reason: null,
  tool_calls: [],
  usage: usageIn(answer.usage),
})

const ofChat = (answer: JsonObject): AnswerFacts => {
  const [choice] = objectsOf(answer.choices)
  const message = isObject(choice?.message) ? choice.message : {}
  return {
    text: typeof message.content === 'string' ? message.content : partsText(message.content),
    finish_reason: stringOrNull(choice?.finish_reason),
    tool_calls: objectsOf(message.tool_calls).map(({ id, function: called }) => ({
      id,
      type: 'function',
      function: { name: member(called, 'name'), arguments: stringOf(member(called, 'arguments')) },
    })),
    usage: usageIn(answer.usage),
  }
}

const ofResponses = (answer: JsonObject): AnswerFacts => {
  const items = objectsOf(answer.output)
  const reason = member(answer.incomplete_details, 'reason')
  const calls = items.filter(({ type }) => type === 'function_call')
  return {
    text: items
      .filter(({ type }) => type === 'message')
      .map(({ content }) => partsText(content, 'output_text'))
      .join(''),
    finish_reason:
      answer.status !== 'completed' ? stringOrNull(reason ?? answer.status) : calls.length > 0 ? 'tool_calls' : 'stop',
    tool_calls: calls.map((item) => ({
      id: item.call_id,
      type: 'function',
      function: { name: item.name, arguments: stringOf(item.arguments) },
    })),
    usage: usageIn(answer.usage),
  }
}

const ofMessages = (answer: JsonObject): AnswerFacts => ({
  text: partsText(answer.content, 'text'),
  finish_reason: stringOrNull(answer.stop_reason),
  tool_calls: objectsOf(answer.content)
    .filter(({ type }) => type === 'tool_use')
    .map(({ id, name, input }) => ({
      id,
      type: 'function',
      function: { name, arguments: typeof input === 'string' ? input : (JSON.stringify(input) ?? '') },
    })),
  usage: usageIn(answer.usage),
})

const readers: Record<Shape, (answer: JsonObject) => AnswerFacts> = {
  chat: ofChat,
  embeddings: ofThings,
  images: ofThings,
  responses: ofResponses,
  messages: ofMessages,
}

const answerFacts = (shape: Shape, answer: JsonObject): AnswerFacts => readers[shape](answer)

/** The outputs of a recorded call as JSON text, and their cost. */
export interface RecordedAnswer extends Spent {
  outputs: string
  /** US dollars; null where it is unknown. */
  costUsd: number | null
  /** JSON text: tokens and cost as the outputs state them; null when there are none. */
  usage: string | null
}

/** Kept of an answer that is not a JSON object, or nested too deeply. */
const mostText = 64 * 1024

type CallAnswer = NonNullable<FinishedCall['answer']>

interface ReadAnswer {
  /** Empty if it is not a JSON object. */
  answer: JsonObject
  /** The JSON text that is recorded as the response. */
  text: string
}

/** The start of an answer that cannot be parsed. */
const unread = (texts: string[]): ReadAnswer => ({
  answer: {},
  text: JSON.stringify(texts.join('\n').slice(0, mostText)),
})

const read = (shape: FinishedCall['shape'], answer: CallAnswer): ReadAnswer => {
  const texts = answer.kind === 'events' ? answer.data : [answer.bytes.toString()]
  if (texts.some((text) => isDeeperThan(text, maxJsonDepth))) return unread(texts)
  if (answer.kind === 'events') {
    const assembled = answerFrom(shape, texts)
    return { answer: assembled, text: JSON.stringify(assembled) }
  }
  const [text = ''] = texts
  const value = parsedObject(text)
  return value ? { answer: value, text } : unread(texts)
}

const withFiles = async ({ answer, text }: ReadAnswer, keep: KeepBytes): Promise<ReadAnswer> => {
  const cleaned = await withoutBytes(Object.keys(answer).length > 0 ? answer : JSON.parse(text), keep)
  return { answer: isObject(cleaned) ? cleaned : {}, text: JSON.stringify(cleaned) }
}

/** The provider's figure if it states one; 0 for a cached answer; null if unknown. */
const costOfAnswer = async (call: FinishedCall, answer: JsonObject, usage: ModelUsage | null) => {
  const { provider, model, cached } = call
  if (cached) return 0
  return provider ? chargeFor({ provider, model }, usage, statedCostIn(answer.usage)) : null
}

const vectorsOf = (answer: JsonObject): { count: number; dimensions: number | null } => {
  const vectors = Array.isArray(answer.data) ? answer.data : []
  const first: unknown = isObject(vectors[0]) ? vectors[0].embedding : undefined
  return { count: vectors.length, dimensions: Array.isArray(first) ? first.length : null }
}

/** Describes an answer, with the names of litellm_chat's outputs where they mean the same. */
export const recordedAnswer = async (
  call: FinishedCall,
  answer: CallAnswer,
  /** `made` returns the files stored so far, as the outputs show them. */
  files: { keep: KeepBytes; made(): JsonObject[] },
): Promise<RecordedAnswer> => {
  const whole = read(call.shape, answer)
  const shown = mayHoldBytes(whole.text) ? await withFiles(whole, files.keep) : whole
  const { usage: counted, text, finish_reason, tool_calls } = answerFacts(call.shape, shown.answer)
  const usage = usageOf(call, whole.answer, counted)
  const cost_usd = await costOfAnswer(call, whole.answer, usage)
  const isText = call.shape !== 'embeddings' && call.shape !== 'images'
  // JSON leaves out what is undefined: conditional spreads take Node 20 twenty times as long.
  const head = {
    text: isText ? text : undefined,
    content: isText ? text : undefined,
    model: call.model,
    provider: call.provider?.id ?? null,
    finish_reason: isText ? finish_reason : undefined,
    usage,
    cost_usd,
    tool_calls: tool_calls.length > 0 ? tool_calls : undefined,
    images: call.shape === 'images' ? files.made() : undefined,
    ...(call.shape === 'embeddings' ? vectorsOf(shown.answer) : undefined),
    first_token_ms: call.firstByteMs === null ? null : Math.max(0, call.firstByteMs - call.startedMs),
    total_ms: Math.max(0, call.endedMs - call.startedMs),
    cached: call.cached || undefined,
    attempts: call.attempts?.length ? call.attempts : undefined,
    truncated: answer.truncated || undefined,
    http_status: call.httpStatus !== null && call.httpStatus >= 300 ? call.httpStatus : undefined,
  }
  return {
    outputs: call.scrub.jsonText(`${JSON.stringify(head).slice(0, -1)},"response":${shown.text}}`),
    costUsd: cost_usd,
    usage: usage && JSON.stringify(addCallUsage(undefined, usage, cost_usd)),
    ...spentOn(call, usage, cost_usd),
  }
}

/** The amount that a call without a record adds to the spending of its collection. */
export const spentUnrecorded = async (call: FinishedCall): Promise<Spent> => {
  if (!call.answer) return { usd: null, tokens: null }
  const { answer } = read(call.shape, call.answer)
  const usage = usageOf(call, answer, answerFacts(call.shape, answer).usage)
  return spentOn(call, usage, await costOfAnswer(call, answer, usage))
}
