import type { ServerResponse } from 'node:http'
import type { Language } from './endpoints.ts'

const kinds: Record<number, { anthropic: string; google: string }> = {
  400: { anthropic: 'invalid_request_error', google: 'INVALID_ARGUMENT' },
  401: { anthropic: 'authentication_error', google: 'UNAUTHENTICATED' },
  403: { anthropic: 'permission_error', google: 'PERMISSION_DENIED' },
  404: { anthropic: 'not_found_error', google: 'NOT_FOUND' },
  413: { anthropic: 'request_too_large', google: 'INVALID_ARGUMENT' },
  429: { anthropic: 'rate_limit_error', google: 'RESOURCE_EXHAUSTED' },
}
const other = { anthropic: 'api_error', google: 'INTERNAL' }

/** An error in the words of whoever was asked: an agent understands its own provider best. */
const bodyOf = (language: Language, status: number, message: string): unknown => {
  const { anthropic, google } = kinds[status] ?? other
  if (language === 'messages') return { type: 'error', error: { type: anthropic, message } }
  if (language === 'gemini') return { error: { code: status, message, status: google } }
  if (language === 'invoke' || language === 'converse') return { message }
  if (language === 'prediction') return { title: anthropic, detail: message, status }
  return { error: { message, type: anthropic, param: null, code: null } }
}

/** Answers with an error of the gateway's own. */
export const tellError = (response: ServerResponse, language: Language, status: number, message: string): void => {
  if (response.headersSent || response.destroyed) return void response.destroy()
  const text = JSON.stringify(bodyOf(language, status, message))
  const type = language === 'invoke' || language === 'converse' ? { 'x-amzn-errortype': 'ValidationException' } : {}
  response.writeHead(status, { 'content-type': 'application/json', 'x-should-retry': 'false', ...type })
  response.end(text)
}
