import { isObject, type JsonObject } from '../../lib/json/json-object.ts'
import { objectsOf, stringOf } from '../../lib/json/json-values.ts'
import type { ModelUsage } from '../../model/gateway/chat.ts'
import type { Shape } from '../../model/gateway/shape.ts'
import { usageIn } from '../../providers/upstream/usage/usage.ts'

/** A call of a tool, as a chat completion writes it. */
export interface ToolCall {
  id: unknown
  type: string
  function: { name: unknown; arguments: string }
}

/** The content of an answer under the same names for every shape. */
export interface AnswerFacts {
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

export const answerFacts = (shape: Shape, answer: JsonObject): AnswerFacts => readers[shape](answer)
