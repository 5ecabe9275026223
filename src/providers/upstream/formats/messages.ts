import { isObject, parsedObject } from '../../../lib/json/json-object.ts'
import { anthropicType } from '../../../model/gateway/error-types.ts'
import {
  type AnswerFormat,
  type EventMeaning,
  namedEvent,
  saysFailed,
  saysFinished,
  saysLast,
  saysNothing,
  statelessReader,
} from './format.ts'
import { chatFormat } from './openai.ts'

const ending = /"type"\s*:\s*"(message_stop|message_delta|error)"/

const read = (data: string): EventMeaning => {
  if (!ending.test(data)) return saysNothing
  const event = parsedObject(data) ?? {}
  if (event.type === 'message_stop') return saysLast
  if (event.type === 'error') return saysFailed(event.error)
  const { delta } = event
  return event.type === 'message_delta' && isObject(delta) && delta.stop_reason ? saysFinished : saysNothing
}

/** Anthropic's messages. */
export const messagesFormat: AnswerFormat = {
  ...chatFormat,
  makeReader: statelessReader(read),
  usageMember: ({ message, usage }) => (isObject(message) ? message.usage : usage),
  words: /"(?:text|thinking|partial_json)"\s*:\s*"/g,
  lastEvent: namedEvent({ type: 'message_stop' }),
  errorEvent: ({ message }) => namedEvent({ type: 'error', error: { type: 'api_error', message } }),
  errorBody: (status, message) => ({ type: 'error', error: { type: anthropicType(status), message } }),
}
