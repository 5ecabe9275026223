import type { AppError } from '../lib/errors.ts'
import { isObject, parsedJson } from '../lib/json/json-object.ts'
import { anthropicType, openAiType } from '../model/gateway/error-types.ts'
import type { Shape } from '../model/gateway/shape.ts'

/** The same text with one more member. */
const withDetail = (text: string, detail: string): string => {
  const end = text.lastIndexOf('}')
  return `${text.slice(0, end)},"detail":${JSON.stringify(detail)}${text.slice(end)}`
}

/**
 * Builds the error body in the client's format. A body of the provider in that format is kept, with `detail` added;
 * otherwise its message is quoted. `text` is the provider's body without secrets.
 */
export const refusedBody = (shape: Shape, status: number, text: string, error: AppError): string => {
  const body = parsedJson(text)
  const own =
    isObject(body) && isObject(body.error) && typeof body.error.message === 'string' ? body.error.message : undefined
  const fits = shape !== 'messages' || (isObject(body) && body.type === 'error')
  if (own !== undefined && fits) return isObject(body) && 'detail' in body ? text : withDetail(text, own)
  const message = own ?? error.message
  const code = 'upstream_failed'
  return shape === 'messages'
    ? JSON.stringify({ type: 'error', error: { type: anthropicType(status), message }, detail: message })
    : JSON.stringify({ error: { message, type: openAiType(status), param: null, code }, detail: message })
}
