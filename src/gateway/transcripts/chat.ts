import { isObject, type JsonObject, parsedObject } from '../../lib/json/json-object.ts'
import { objectsOf } from '../../lib/json/json-values.ts'
import { mergeDelta } from '../../providers/upstream/convert/merge-delta.ts'

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
export const chatFrom = (events: readonly string[]): JsonObject => {
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
