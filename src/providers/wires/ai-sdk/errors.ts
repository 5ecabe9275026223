import {
  APICallError,
  InvalidArgumentError,
  InvalidPromptError,
  JSONParseError,
  NoSuchModelError,
  TooManyEmbeddingValuesForCallError,
  TypeValidationError,
  UnsupportedFunctionalityError,
} from '@ai-sdk/provider'
import { AppError, messageOf } from '../../../lib/errors.ts'
import { isObject } from '../../../lib/json/json-object.ts'
import type { WireCall } from '../../provider.ts'
import { cutOff, impossible, refusal, unreadable } from '../../upstream/errors.ts'

/** Names of errors inside a stream, and the status of the same error outside of one. */
const statuses: Record<string, number> = {
  invalid_request_error: 400,
  authentication_error: 401,
  permission_error: 403,
  not_found_error: 404,
  request_too_large: 413,
  rate_limit_error: 429,
  api_error: 500,
  overloaded_error: 529,
}

const ownError = (thrown: unknown): AppError | undefined => {
  for (let error = thrown; error instanceof Error; error = error.cause) if (error instanceof AppError) return error
  return undefined
}

const isFault = (error: unknown): error is Error =>
  [
    InvalidArgumentError,
    InvalidPromptError,
    NoSuchModelError,
    TooManyEmbeddingValuesForCallError,
    UnsupportedFunctionalityError,
  ].some((kind) => kind.isInstance(error))

const ofCall = (error: APICallError, call: WireCall): AppError => {
  const { statusCode: status = 502, responseBody: text = error.message, responseHeaders: headers = {} } = error
  return status >= 200 && status <= 299
    ? unreadable(call, 'answer', { status, text, headers })
    : refusal(call, status, text, headers)
}

/** Reads an error that was sent as an event: Anthropic's has a type, those of Bedrock and Google have a message. */
const ofEvent = (error: Record<string, unknown>, call: WireCall): AppError => {
  const type = String(error.type)
  const status = (Object.hasOwn(statuses, type) ? statuses[type] : undefined) ?? 502
  return refusal(call, status, JSON.stringify({ error }))
}

/** Converts what a package threw, or its stream emitted, to an error that names the provider. */
export const asAppError = (thrown: unknown, call: WireCall): unknown => {
  const own = ownError(thrown)
  if (own) return own
  if (APICallError.isInstance(thrown)) return ofCall(thrown, call)
  if (isFault(thrown)) {
    return impossible(call, messageOf(thrown), 'Leave that out, or ask a model of a provider that can do it.')
  }
  const read = { status: 200, headers: {} }
  if (JSONParseError.isInstance(thrown)) return unreadable(call, 'answer', { ...read, text: thrown.text })
  if (TypeValidationError.isInstance(thrown)) {
    return unreadable(call, 'answer', { ...read, text: JSON.stringify(thrown.value) })
  }
  if (thrown instanceof Error) {
    return /^Incomplete/.test(thrown.message)
      ? cutOff(call)
      : unreadable(call, 'answer', { ...read, text: thrown.message })
  }
  return isObject(thrown) ? ofEvent(thrown, call) : refusal(call, 502, String(thrown))
}
