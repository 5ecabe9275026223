import { isObject, type JsonObject, parsedObject } from '../../lib/json/json-object.ts'
import { isDeeperThan, maxJsonDepth } from '../../lib/json/json-text.ts'
import type { ModelUsage } from '../../model/gateway/chat.ts'
import { addCallUsage } from '../../model/runs/step-usage.ts'
import { costOf } from '../../providers/prices/prices.ts'
import { statedCostIn } from '../../providers/upstream/usage/usage.ts'
import { answerFrom } from '../transcripts/transcript.ts'
import { answerFacts } from './answer-facts.ts'
import type { FinishedCall } from './finished-call.ts'
import { type KeepBytes, mayHoldBytes, withoutBytes } from './inline-files.ts'
import { type Spent, spentOn, usageOf } from './spent.ts'

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
  return provider ? costOf({ provider, model }, usage, statedCostIn(answer.usage)) : null
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
