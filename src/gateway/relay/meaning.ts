import { isObject, parsedObject } from '../../lib/json/json-object.ts'
import type { Shape } from '../../model/gateway/shape.ts'

/** What an event says about the answer that it belongs to. */
export interface Meaning {
  /** The answer is over with it. */
  isLast: boolean
  /** The model has said why it stopped: nothing but bookkeeping comes after. */
  hasFinished: boolean
  /** The provider says that it failed. */
  failure: { code: string; message: string } | undefined
}

const nothing: Meaning = { isLast: false, hasFinished: false, failure: undefined }
const last: Meaning = { ...nothing, isLast: true }
const finished: Meaning = { ...nothing, hasFinished: true }

/** The words of an error, wherever providers put them. */
export const failureIn = (error: unknown): { code: string; message: string } => {
  if (!isObject(error)) return { code: 'upstream_failed', message: String(error) }
  const code = error.code ?? error.type
  const message = typeof error.message === 'string' ? error.message : JSON.stringify(error)
  return { code: typeof code === 'string' || typeof code === 'number' ? String(code) : 'upstream_failed', message }
}

const failed = (error: unknown): Meaning => ({ ...nothing, failure: failureIn(error) })

/** Whether data can be an event of an answer at all; what is cut off or no JSON is not looked into further. */
export const isEventData = (data: string): boolean =>
  data === '[DONE]' || data === '' || (data.startsWith('{') && data.endsWith('}'))

// A member's name with a quote before and behind: inside of a text both would be escaped.
const finishReason = /"finish_reason"\s*:\s*"/
const error = /"error"\s*:\s*[{"]/
const type = /"type"\s*:\s*"(message_stop|message_delta|error|response\.(?:completed|failed|incomplete))"/

const ofChat = (data: string): Meaning => {
  if (data === '[DONE]') return last
  if (error.test(data)) {
    const event = parsedObject(data) ?? {}
    if (event.error) return failed(event.error)
  }
  return finishReason.test(data) ? finished : nothing
}

const ofMessages = (data: string): Meaning => {
  if (!type.test(data)) return nothing
  const event = parsedObject(data) ?? {}
  if (event.type === 'message_stop') return last
  if (event.type === 'error') return failed(event.error)
  const { delta } = event
  return event.type === 'message_delta' && isObject(delta) && delta.stop_reason ? finished : nothing
}

const ofResponses = (data: string): Meaning => {
  if (!type.test(data)) return nothing
  const event = parsedObject(data) ?? {}
  if (event.type === 'response.completed' || event.type === 'response.incomplete') return last
  if (event.type === 'error') return failed(event.error ?? event)
  if (event.type !== 'response.failed') return nothing
  const { response } = event
  return { ...failed(isObject(response) ? response.error : undefined), isLast: true }
}

/** What an event of a stream says, by the shape of the call. Looks into few of them: most are words of the answer. */
export const meaningOf = (shape: Shape, data: string): Meaning => {
  if (shape === 'messages') return ofMessages(data)
  return shape === 'responses' ? ofResponses(data) : ofChat(data)
}

/** The last event of an answer that ended well but for it; undefined where it would have to say more than that. */
export const lastEvent = (shape: Shape): Buffer | undefined => {
  if (shape === 'messages') return Buffer.from('event: message_stop\ndata: {"type":"message_stop"}\n\n')
  return shape === 'responses' ? undefined : Buffer.from('data: [DONE]\n\n')
}

/** The event that says that the answer broke off. */
export const errorEvent = (shape: Shape, { code, message }: { code: string; message: string }): Buffer => {
  const text = {
    messages: () =>
      `event: error\ndata: ${JSON.stringify({ type: 'error', error: { type: 'api_error', message } })}\n\n`,
    responses: () => `event: error\ndata: ${JSON.stringify({ type: 'error', code, message, param: null })}\n\n`,
    other: () => `data: ${JSON.stringify({ error: { message, type: 'server_error', param: null, code } })}\n\n`,
  }
  return Buffer.from(text[shape === 'messages' || shape === 'responses' ? shape : 'other']())
}
