import { isObject, type JsonObject, parsedObject } from '../../lib/json/json-object.ts'
import { objectsOf, stringOf } from '../../lib/json/json-values.ts'
import type { Shape } from '../../model/gateway/shape.ts'
import { mergeDelta, put } from '../../providers/upstream/convert/merge-delta.ts'

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

const assemblers: Record<Shape, (events: readonly string[]) => JsonObject> = {
  chat: chatFrom,
  embeddings: chatFrom, // never streamed
  images: imagesFrom,
  responses: responseFrom,
  messages: messageFrom,
}

/** Assembles the answer that a stream amounts to. `events` are the data of its events, in order. */
export const answerFrom = (shape: Shape, events: readonly string[]): JsonObject => assemblers[shape](events)
