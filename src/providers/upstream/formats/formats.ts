import { isObject, type JsonObject, parsedObject } from '../../../lib/json/json-object.ts'
import { anthropicType, googleStatus } from '../../../model/gateway/error-types.ts'
import type { Shape } from '../../../model/gateway/shape.ts'
import { converseUsageIn, geminiUsageIn } from '../usage/usage.ts'
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
import { chatFormat, imagesFormat, responsesFormat } from './openai.ts'

const ending = /"type"\s*:\s*"(message_stop|message_delta|error)"/

const readMessageEvent = (data: string): EventMeaning => {
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
  makeReader: statelessReader(readMessageEvent),
  usageMember: ({ message, usage }) => (isObject(message) ? message.usage : usage),
  words: /"(?:text|thinking|partial_json)"\s*:\s*"/g,
  lastEvent: namedEvent({ type: 'message_stop' }),
  errorEvent: ({ message }) => namedEvent({ type: 'error', error: { type: 'api_error', message } }),
  errorBody: (status, message) => ({ type: 'error', error: { type: anthropicType(status), message } }),
  isOwnError: ({ type }) => type === 'error',
}

const geminiError = (status: number, message: string): JsonObject => ({
  error: { code: status, message, status: googleStatus(status) },
})

const hasFinished = ({ candidates, promptFeedback }: JsonObject): boolean =>
  (isObject(promptFeedback) && promptFeedback.blockReason !== undefined) ||
  (Array.isArray(candidates) && candidates.some((one) => isObject(one) && one.finishReason))

/** Gemini's `generateContent`. */
export const geminiFormat: AnswerFormat = {
  ...chatFormat,
  makeReader: statelessReader((data) => {
    const event = parsedObject(data) ?? {}
    if (event.error !== undefined) return saysFailed(event.error)
    return hasFinished(event) ? saysFinished : saysNothing
  }),
  mayStateUsage: /"usageMetadata"/,
  usageMember: ({ usageMetadata }) => usageMetadata,
  readUsage: (usage) => ({ usage: geminiUsageIn(usage), cost: undefined }),
  words: /"text"\s*:\s*"/g,
  lastEvent: Buffer.alloc(0),
  errorEvent: ({ code, message }) =>
    Buffer.from(`data: ${JSON.stringify(geminiError(Number(code) || 502, message))}\n\n`),
  errorBody: geminiError,
  isOwnError: ({ error }) => isObject(error) && typeof error.status === 'string',
}

const ofAws = {
  errorBody: (_: number, message: string) => ({ message }),
  errorHeaders: { 'x-amzn-errortype': 'ValidationException' },
}

/** The same as one JSON array, which a client gets that does not ask for events. */
export const geminiArrayFormat: AnswerFormat = {
  ...geminiFormat,
  lastEvent: Buffer.from(']'),
  errorEvent: ({ code, message }) => Buffer.from(`,\r\n${JSON.stringify(geminiError(Number(code) || 502, message))}]`),
}

/** Bedrock's `invoke`, which wraps what the maker of a model answers: here Anthropic's messages. */
export const invokeFormat: AnswerFormat = { ...messagesFormat, ...ofAws }

/** Bedrock's own `converse`. Its events are read as `{"<type>": <payload>}`, see `awsFrames`. */
export const converseFormat: AnswerFormat = {
  ...messagesFormat,
  ...ofAws,
  makeReader: statelessReader((data) => {
    const event = parsedObject(data) ?? {}
    if (event.error !== undefined) return saysFailed(event.error)
    return event.messageStop === undefined ? saysNothing : saysFinished
  }),
  mayStateUsage: /"usage"/,
  usageMember: ({ metadata, usage }) => (isObject(metadata) ? metadata.usage : usage),
  readUsage: (usage) => ({ usage: converseUsageIn(usage), cost: undefined }),
  words: /"(?:text|input)"\s*:\s*"/g,
}

/** Replicate's predictions, which cost time instead of tokens. */
export const predictionFormat: AnswerFormat = {
  ...chatFormat,
  countsTokens: false,
  errorBody: (status, message) => ({ title: anthropicType(status), detail: message, status }),
}

/** Sounds, transcripts and the like: whatever arrives is a whole answer. */
export const mediaFormat: AnswerFormat = {
  ...chatFormat,
  makeReader() {
    const chat = chatFormat.makeReader()
    return { take: chat.take, isFinished: true }
  },
  hasPlainAnswers: true,
}

const audioDone = /"type"\s*:\s*"(?:transcript\.text|speech\.audio)\.done"/

/** Sounds and transcripts, whole or as OpenAI's events of them. A stream ends without a last event. */
const audioFormat: AnswerFormat = {
  ...mediaFormat,
  makeReader: statelessReader((data) => {
    const stated = data.includes('"error"') ? parsedObject(data)?.error : undefined
    if (stated) return saysFailed(stated)
    return audioDone.test(data) ? saysFinished : saysNothing
  }),
  words: /"(?:text|delta)"\s*:\s*"/g,
  lastEvent: Buffer.alloc(0),
}

/** The format of answers by the shape of the call. */
export const formatOf: Record<Shape, AnswerFormat> = {
  chat: chatFormat,
  completions: chatFormat,
  embeddings: chatFormat,
  images: imagesFormat,
  responses: responsesFormat,
  messages: messagesFormat,
  message_tokens: messagesFormat,
  gemini: geminiFormat,
  gemini_tokens: geminiFormat,
  moderations: chatFormat,
  rerank: chatFormat,
  speech: audioFormat,
  transcriptions: audioFormat,
  translations: audioFormat,
}
