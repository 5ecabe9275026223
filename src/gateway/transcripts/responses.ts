import { isObject, type JsonObject, parsedObject } from '../../lib/json/json-object.ts'
import { stringOf } from '../../lib/json/json-values.ts'

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
export const responseFrom = (events: readonly string[]): JsonObject => {
  const read = events.map(parsedObject).filter((event) => event !== undefined)
  const final = read.findLast((event) => last.has(stringOf(event.type)) && isObject(event.response))
  return final && isObject(final.response) ? final.response : unfinished(read)
}
