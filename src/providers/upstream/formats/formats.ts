import { anthropicType } from '../../../model/gateway/error-types.ts'
import type { Shape } from '../../../model/gateway/shape.ts'
import type { AnswerFormat } from './format.ts'
import { messagesFormat } from './messages.ts'
import { chatFormat, imagesFormat, responsesFormat } from './openai.ts'

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

/** The format of answers by the shape of the call. */
export const formatOf: Record<Shape, AnswerFormat> = {
  chat: chatFormat,
  embeddings: chatFormat,
  images: imagesFormat,
  responses: responsesFormat,
  messages: messagesFormat,
}
