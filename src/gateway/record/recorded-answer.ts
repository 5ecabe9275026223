import { isObject, type JsonObject, parsedObject } from '../../lib/json/json-object.ts'
import { isDeeperThan, maxJsonDepth } from '../../lib/json/json-text.ts'
import { objectsOf, stringOf } from '../../lib/json/json-values.ts'
import type { ModelUsage } from '../../model/gateway/chat.ts'
import { addCallUsage } from '../../model/gateway/model-totals.ts'
import { isCount, type Shape, shapeFacts } from '../../model/gateway/shape.ts'
import { chargeFor } from '../../providers/prices/prices.ts'
import { mergeDelta, put } from '../../providers/upstream/convert/merge-delta.ts'
import { formatOf } from '../../providers/upstream/formats/formats.ts'
import { geminiUsageIn, statedCostIn, usageIn } from '../../providers/upstream/usage/usage.ts'
import type { FinishedCall } from './finished-call.ts'
import { type KeepBytes, mayHoldBytes, withoutBytes } from './inline-files.ts'
import { type Spent, spentOn, usageOf } from './spent.ts'

const last = new Set(['response.completed', 'response.incomplete', 'response.failed'])

/** Events that append to a text, and where the text is in their item. */
const growing: Record<string, (item: JsonObject, event: JsonObject) => [JsonObject, string]> = {
  'response.output_text.delta': (item, event) => [partAt(item, 'content', event.content_index), 'text'],
  'response.refusal.delta': (item, event) => [partAt(item, 'content', event.content_index), 'refusal'],
  'response.reasoning_text.delta': (item, event) => [partAt(item, 'content', event.content_index), 'text'],
  'response.reasoning_summary_text.delta': (item, event) => [partAt(item, 'summary', event.summary_index), 'text'],
  'response.function_call_arguments.delta': (item) => [item, 'arguments'],
  'response.custom_tool_call_input.delta': (item) => [item, 'input'],
}

/** An index from outside must not create a list of millions. */
const mostParts = 10_000

const partAt = (item: JsonObject, list: 'content' | 'summary', index: unknown): JsonObject => {
  const known = item[list]
  const parts: unknown[] = Array.isArray(known) ? known : []
  item[list] = parts
  const at = typeof index === 'number' && index >= 0 && index < mostParts ? Math.floor(index) : 0
  while (parts.length <= at) parts.push({})
  const part = parts[at]
  if (isObject(part)) return part
  const fresh = {}
  parts[at] = fresh
  return fresh
}

const putPart = (item: JsonObject, list: 'content' | 'summary', index: unknown, part: JsonObject): void => {
  Object.assign(partAt(item, list, index), part)
}

/** Assembles a response whose last event is missing. */
const unfinished = (events: JsonObject[]): JsonObject => {
  let response: JsonObject = { object: 'response' }
  const items = new Map<unknown, JsonObject>()
  const itemOf = (event: JsonObject): JsonObject => {
    const item = items.get(event.output_index) ?? {}
    items.set(event.output_index, item)
    return item
  }
  for (const event of events) {
    const type = stringOf(event.type)
    const grows = Object.hasOwn(growing, type) ? growing[type] : undefined
    if (isObject(event.response)) response = event.response
    else if (grows) {
      const [into, name] = grows(itemOf(event), event)
      into[name] = stringOf(into[name]) + stringOf(event.delta)
    } else if (type === 'response.output_item.added' || type === 'response.output_item.done') {
      if (isObject(event.item)) items.set(event.output_index, { ...event.item })
    } else if (type.startsWith('response.content_part.') && isObject(event.part)) {
      putPart(itemOf(event), 'content', event.content_index, event.part)
    } else if (type.startsWith('response.reasoning_summary_part.') && isObject(event.part)) {
      putPart(itemOf(event), 'summary', event.summary_index, event.part)
    }
  }
  return { ...response, output: [...items.values()] }
}

/** The response of a stream: its last event holds it whole. */
const responseFrom = (events: readonly string[]): JsonObject => {
  const read = events.map(parsedObject).filter((event) => event !== undefined)
  const final = read.findLast((event) => last.has(stringOf(event.type)) && isObject(event.response))
  return final && isObject(final.response) ? final.response : unfinished(read)
}

interface Choice {
  index: number
  message: JsonObject
  finish_reason: unknown
  rest: JsonObject
}

const choiceAt = (choices: Map<number, Choice>, index: number): Choice => {
  const known = choices.get(index)
  if (known) return known
  const fresh: Choice = { index, message: { role: 'assistant', content: null }, finish_reason: null, rest: {} }
  choices.set(index, fresh)
  return fresh
}

/** Removes the index of a tool call: its position in the list is the same. */
const withoutIndex = (call: JsonObject): JsonObject => {
  const { index: _, ...rest } = call
  return rest
}

const messageOf = (message: JsonObject): JsonObject =>
  message.tool_calls === undefined
    ? message
    : {
        ...message,
        tool_calls: objectsOf(message.tool_calls)
          .sort((left, right) => Number(left.index ?? 0) - Number(right.index ?? 0))
          .map(withoutIndex),
      }

/** Assembles a chat completion from the chunks of a stream, as far as they have arrived. */
const chatFrom = (events: readonly string[]): JsonObject => {
  const answer: JsonObject = {}
  const choices = new Map<number, Choice>()
  for (const chunk of events.map(parsedObject)) {
    if (!chunk) continue
    const { choices: pieces, ...head } = chunk
    for (const [name, value] of Object.entries(head)) {
      if (value !== null || !Object.hasOwn(answer, name)) answer[name] = value
    }
    for (const { index, delta, finish_reason: reason, ...rest } of objectsOf(pieces)) {
      const choice = choiceAt(choices, typeof index === 'number' ? index : 0)
      if (isObject(delta)) mergeDelta(choice.message, delta)
      if (typeof reason === 'string') choice.finish_reason = reason
      mergeDelta(choice.rest, rest)
    }
  }
  return {
    ...answer,
    object: 'chat.completion',
    choices: [...choices.values()]
      .sort((left, right) => left.index - right.index)
      .map(({ index, message, finish_reason, rest }) => ({
        index,
        message: messageOf(message),
        ...rest,
        finish_reason,
      })),
  }
}

/** Assembles a legacy completion, whose chunks have a text where a chat has a delta. */
const completionsFrom = (events: readonly string[]): JsonObject => {
  const answer: JsonObject = {}
  const choices = new Map<number, JsonObject>()
  for (const chunk of events.map(parsedObject)) {
    if (!chunk) continue
    const { choices: pieces, ...head } = chunk
    for (const [name, value] of Object.entries(head)) if (value !== null) put(answer, name, value)
    for (const { index, text, finish_reason: reason } of objectsOf(pieces)) {
      const at = typeof index === 'number' ? index : 0
      const choice = choices.get(at) ?? { index: at, text: '', finish_reason: null }
      choices.set(at, choice)
      append(choice, 'text', text)
      if (typeof reason === 'string') choice.finish_reason = reason
    }
  }
  return { ...answer, choices: [...choices.values()].sort((left, right) => Number(left.index) - Number(right.index)) }
}

interface Block {
  content: JsonObject
  /** The JSON of a tool's input as far as it has arrived. */
  input: string
}

const begin = (content: unknown): Block => ({ content: isObject(content) ? { ...content } : {}, input: '' })

const append = (content: JsonObject, name: string, text: unknown): void => {
  content[name] = stringOf(content[name]) + stringOf(text)
}

const putAll = (into: JsonObject, members: unknown): void => {
  if (isObject(members)) for (const [name, value] of Object.entries(members)) put(into, name, value)
}

const take = ({ content }: Block, delta: JsonObject): void => {
  if (delta.type === 'text_delta') append(content, 'text', delta.text)
  else if (delta.type === 'thinking_delta') append(content, 'thinking', delta.thinking)
  else if (delta.type === 'signature_delta') append(content, 'signature', delta.signature)
  else if (delta.type === 'citations_delta') {
    const citations: unknown[] = Array.isArray(content.citations) ? content.citations : []
    citations.push(delta.citation)
    content.citations = citations
  }
}

/** An input that broke off is not JSON: its text is kept instead. */
const contentOf = ({ content, input }: Block): JsonObject =>
  input === '' ? content : { ...content, input: parsedObject(input) ?? input }

/** Assembles a message of Anthropic's API from the events of a stream, as far as they have arrived. */
const messageFrom = (events: readonly string[]): JsonObject => {
  let message: JsonObject = { type: 'message', role: 'assistant' }
  let usage: JsonObject = {}
  const blocks = new Map<unknown, Block>()
  for (const event of events.map(parsedObject)) {
    if (!event) continue
    if (event.type === 'message_start' && isObject(event.message)) {
      message = { ...event.message }
      if (isObject(message.usage)) usage = { ...message.usage }
    } else if (event.type === 'content_block_start') blocks.set(event.index, begin(event.content_block))
    else if (event.type === 'content_block_delta' && isObject(event.delta)) {
      const block = blocks.get(event.index) ?? begin(undefined)
      blocks.set(event.index, block)
      if (event.delta.type === 'input_json_delta') block.input += stringOf(event.delta.partial_json)
      else take(block, event.delta)
    } else if (event.type === 'message_delta') {
      putAll(message, event.delta)
      putAll(usage, event.usage)
    }
  }
  return {
    ...message,
    content: [...blocks.values()].map(contentOf),
    ...(Object.keys(usage).length > 0 ? { usage } : {}),
  }
}

/** Assembles the images of a stream: the completed ones, else the latest partial one. */
const imagesFrom = (events: readonly string[]): JsonObject => {
  const read = events.map(parsedObject).filter((event) => event !== undefined)
  const done = read.filter((event) => stringOf(event.type).endsWith('.completed'))
  const shown =
    done.length > 0 ? done : read.filter((event) => stringOf(event.type).endsWith('.partial_image')).slice(-1)
  const usage = done.findLast((event) => event.usage !== undefined)?.usage
  return {
    data: shown.map(({ b64_json: image, revised_prompt: revised }) => ({
      b64_json: image,
      ...(revised === undefined ? {} : { revised_prompt: revised }),
    })),
    ...(usage === undefined ? {} : { usage }),
  }
}

/** Joins the pieces of a text; every other part arrives whole. */
const addPart = (parts: JsonObject[], part: JsonObject): void => {
  const before = parts.at(-1)
  const isText = typeof part.text === 'string'
  const goesOn = isText && typeof before?.text === 'string' && (before.thought === true) === (part.thought === true)
  if (!goesOn) return void parts.push({ ...part })
  before.text = stringOf(before.text) + stringOf(part.text)
  if (part.thoughtSignature !== undefined) before.thoughtSignature = part.thoughtSignature
}

/** Assembles Google's answer from the events of a stream, as far as they have arrived. */
const geminiFrom = (events: readonly string[]): JsonObject => {
  const answer: JsonObject = {}
  const candidates = new Map<number, { parts: JsonObject[]; rest: JsonObject }>()
  for (const event of events.map(parsedObject)) {
    if (!event) continue
    const { candidates: pieces, ...head } = event
    Object.assign(answer, head)
    for (const { index, content, ...rest } of objectsOf(pieces)) {
      const at = typeof index === 'number' ? index : 0
      const candidate = candidates.get(at) ?? { parts: [], rest: {} }
      candidates.set(at, candidate)
      for (const part of objectsOf(member(content, 'parts'))) addPart(candidate.parts, part)
      Object.assign(candidate.rest, rest)
    }
  }
  const whole = [...candidates].map(([index, { parts, rest }]) => ({
    content: { role: 'model', parts },
    ...rest,
    index,
  }))
  return { candidates: whole, ...answer }
}

/** Assembles a transcript from the events of a stream, as far as they have arrived. */
const transcriptFrom = (events: readonly string[]): JsonObject => {
  const read = events.map(parsedObject).filter((event) => event !== undefined)
  const done = read.findLast(({ type }) => type === 'transcript.text.done')
  const { type: _, ...whole } = done ?? { text: read.map(({ delta }) => stringOf(delta)).join('') }
  return whole
}

/** Assembles the sound of a stream as a data URI, of which the record makes a file. */
const speechFrom = (events: readonly string[]): JsonObject => {
  const read = events.map(parsedObject).filter((event) => event !== undefined)
  const bytes = Buffer.concat(read.map(({ audio }) => Buffer.from(stringOf(audio), 'base64')))
  const usage = read.findLast((event) => event.usage !== undefined)?.usage
  return {
    audio: `data:application/octet-stream;base64,${bytes.toString('base64')}`,
    ...(usage === undefined ? {} : { usage }),
  }
}

const assemblers: Record<Shape, (events: readonly string[]) => JsonObject> = {
  chat: chatFrom,
  completions: completionsFrom,
  embeddings: chatFrom, // never streamed
  images: imagesFrom,
  responses: responseFrom,
  messages: messageFrom,
  message_tokens: messageFrom, // never streamed
  gemini: geminiFrom,
  gemini_tokens: geminiFrom, // never streamed
  moderations: chatFrom, // never streamed
  rerank: chatFrom, // never streamed
  speech: speechFrom,
  transcriptions: transcriptFrom,
  translations: transcriptFrom,
}

/** Assembles the answer that a stream amounts to. `events` are the data of its events, in order. */
export const answerFrom = (shape: Shape, events: readonly string[]): JsonObject => assemblers[shape](events)

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

/** Several prompts have several texts. */
const ofCompletions = (answer: JsonObject): AnswerFacts => {
  const choices = objectsOf(answer.choices)
  return {
    text: choices.map(({ text }) => stringOf(text)).join('\n'),
    finish_reason: stringOrNull(choices[0]?.finish_reason),
    tool_calls: [],
    usage: usageIn(answer.usage),
  }
}

/** Jina and Voyage state a total; Cohere counts searches, which are no tokens. */
const ofRanks = ({ usage }: JsonObject): AnswerFacts => ({
  ...ofThings({}),
  usage: isObject(usage) ? usageIn({ ...usage, prompt_tokens: usage.prompt_tokens ?? usage.total_tokens }) : null,
})

const ofTranscript = (answer: JsonObject): AnswerFacts => ({
  ...ofThings(answer),
  text: stringOf(answer.text),
})

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

const ofGemini = (answer: JsonObject): AnswerFacts => {
  const [candidate] = objectsOf(answer.candidates)
  const parts = objectsOf(member(candidate?.content, 'parts'))
  return {
    text: partsText(parts.filter(({ thought }) => thought !== true)),
    finish_reason: stringOrNull(candidate?.finishReason ?? member(answer.promptFeedback, 'blockReason')),
    tool_calls: parts.flatMap(({ functionCall: call }) =>
      isObject(call)
        ? [{ id: call.id, type: 'function', function: { name: call.name, arguments: JSON.stringify(call.args ?? {}) } }]
        : [],
    ),
    usage: geminiUsageIn(answer.usageMetadata),
  }
}

const readers: Record<Shape, (answer: JsonObject) => AnswerFacts> = {
  chat: ofChat,
  completions: ofCompletions,
  embeddings: ofThings,
  images: ofThings,
  responses: ofResponses,
  messages: ofMessages,
  message_tokens: ofThings,
  gemini: ofGemini,
  gemini_tokens: ofThings,
  moderations: ofThings,
  rerank: ofRanks,
  speech: ofThings,
  transcriptions: ofTranscript,
  translations: ofTranscript,
}

const answerFacts = (shape: Shape, answer: JsonObject): AnswerFacts => readers[shape](answer)

/** The outputs of a recorded call as JSON text, and their cost. */
export interface RecordedAnswer extends Spent {
  outputs: string
  /** US dollars; null where it is unknown. */
  costUsd: number | null
  /** JSON text: tokens and cost as the outputs state them; null when there are none. */
  usage: string | null
  /** The id that the provider gave the answer. */
  answerId: string | undefined
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
  if (answer.kind === 'bytes') return { answer: {}, text: 'null' }
  const texts = answer.kind === 'events' ? answer.data : [answer.bytes.toString()]
  if (texts.some((text) => isDeeperThan(text, maxJsonDepth))) return unread(texts)
  if (answer.kind === 'events') {
    const assembled = answerFrom(shape, texts)
    return { answer: assembled, text: JSON.stringify(assembled) }
  }
  const [text = ''] = texts
  const value = parsedObject(text)
  if (value) return { answer: value, text }
  return formatOf[shape].hasPlainAnswers ? { answer: { text }, text: JSON.stringify(text) } : unread(texts)
}

const withFiles = async ({ answer, text }: ReadAnswer, keep: KeepBytes): Promise<ReadAnswer> => {
  const cleaned = await withoutBytes(Object.keys(answer).length > 0 ? answer : JSON.parse(text), keep)
  return { answer: isObject(cleaned) ? cleaned : {}, text: JSON.stringify(cleaned) }
}

/** The provider's figure if it states one; 0 for a cached answer; null if unknown. */
const costOfAnswer = async (call: FinishedCall, answer: JsonObject, usage: ModelUsage | null) => {
  const { provider, model, cached, shape } = call
  if (cached || (shapeFacts[shape].isFree && usage === null)) return 0
  return provider ? chargeFor({ provider, model }, usage, statedCostIn(answer.usage)) : null
}

const vectorsOf = (answer: JsonObject): { count: number; dimensions: number | null } => {
  const vectors = Array.isArray(answer.data) ? answer.data : []
  const first: unknown = isObject(vectors[0]) ? vectors[0].embedding : undefined
  return { count: vectors.length, dimensions: Array.isArray(first) ? first.length : null }
}

/** Whether a moderation finds something: Mistral says so in its categories alone. */
const isFlagged = ({ flagged, categories }: JsonObject): boolean =>
  flagged === true || (isObject(categories) && Object.values(categories).includes(true))

/** Places and scores of documents, without their texts. */
const rankedOf = ({ results, data }: JsonObject): JsonObject[] =>
  objectsOf(results ?? data).map(({ index, relevance_score }) => ({ index, relevance_score }))

const answerIdOf = ({ id, responseId }: JsonObject): string | undefined => {
  const given = id ?? responseId // Google's
  return typeof given === 'string' && given !== '' ? given.slice(0, 200) : undefined
}

/** Describes an answer, with the names of litellm_chat's outputs where they mean the same. */
export const recordedAnswer = async (
  call: FinishedCall,
  answer: CallAnswer,
  /** `made` returns the files stored so far, as the outputs show them. */
  files: { keep: KeepBytes; made(): JsonObject[] },
): Promise<RecordedAnswer> => {
  if (answer.kind === 'bytes' && answer.bytes.length > 0) await files.keep(answer.bytes, answer.type)
  const whole = read(call.shape, answer)
  const shown = mayHoldBytes(whole.text) ? await withFiles(whole, files.keep) : whole
  const { usage: counted, text, finish_reason, tool_calls } = answerFacts(call.shape, shown.answer)
  const usage = usageOf(call, whole.answer, counted)
  const cost_usd = await costOfAnswer(call, whole.answer, usage)
  const isText = shapeFacts[call.shape].hasWords === true
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
    audio: call.shape === 'speech' ? files.made() : undefined,
    images: call.shape === 'images' ? files.made() : undefined,
    flagged: call.shape === 'moderations' ? objectsOf(shown.answer.results).some(isFlagged) : undefined,
    results: call.shape === 'rerank' ? rankedOf(shown.answer) : undefined,
    input_tokens: isCount(call.shape) ? (shown.answer.input_tokens ?? shown.answer.totalTokens) : undefined,
    ...(call.shape === 'embeddings' ? vectorsOf(shown.answer) : undefined),
    first_token_ms: call.firstByteMs === null ? null : Math.max(0, call.firstByteMs - call.startedMs),
    total_ms: Math.max(0, call.endedMs - call.startedMs),
    cached: call.cached || undefined,
    deployment: call.deployment,
    attempts: call.attempts?.length ? call.attempts : undefined,
    truncated: answer.truncated || undefined,
    http_status: call.httpStatus !== null && call.httpStatus >= 300 ? call.httpStatus : undefined,
  }
  return {
    outputs: call.scrub.jsonText(`${JSON.stringify(head).slice(0, -1)},"response":${shown.text}}`),
    costUsd: cost_usd,
    usage: usage && JSON.stringify(addCallUsage(undefined, usage, cost_usd)),
    answerId: answerIdOf(whole.answer),
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
