import { isObject, type JsonObject, parsedObject } from '../../lib/json/json-object.ts'
import { stringOf } from '../../lib/json/json-values.ts'
import { put } from '../../providers/upstream/convert/merge-delta.ts'

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
export const messageFrom = (events: readonly string[]): JsonObject => {
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
