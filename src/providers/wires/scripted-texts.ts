import { isObject } from '../../lib/json/json-object.ts'
import type { ChatMessage, ChatRequest } from '../../model/gateway/chat.ts'

/** The text of a message; a part that is not text is shown as its type. */
export const messageText = ({ content }: ChatMessage): string => {
  if (typeof content === 'string') return content
  return (content ?? []).map((part) => (typeof part.text === 'string' ? part.text : `[${part.type}]`)).join('\n')
}

/** The JSON Schema that the answer must fit, if one is requested. */
export const schemaOf = (request: ChatRequest): Record<string, unknown> | undefined => {
  const named = request.response_format?.json_schema
  const schema = isObject(named) ? named.schema : undefined
  return isObject(schema) ? schema : undefined
}
