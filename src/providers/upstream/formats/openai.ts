import { isObject, parsedObject } from '../../../lib/json/json-object.ts'
import { objectsOf } from '../../../lib/json/json-values.ts'
import { openAiType } from '../../../model/gateway/error-types.ts'
import { statedCostIn, usageIn } from '../usage/usage.ts'
import {
  type AnswerFormat,
  type EventMeaning,
  type EventReader,
  namedEvent,
  saysFailed,
  saysFinished,
  saysLast,
  saysNothing,
  statelessReader,
} from './format.ts'

// A member's name between its quotes: inside a text both would be escaped.
const finishReason = /"finish_reason"\s*:\s*"/
const error = /"error"\s*:\s*[{"]/
const laterIndex = /"index"\s*:\s*[1-9]/

/** Most events carry only text: events that may carry more are parsed. */
const makeChatReader = (): EventReader => {
  const begun = new Set<number>()
  const finished = new Set<number>()
  const noteChoices = (data: string): void => {
    for (const { index, finish_reason: reason } of objectsOf(parsedObject(data)?.choices)) {
      const place = typeof index === 'number' ? index : 0
      begun.add(place)
      if (typeof reason === 'string' && reason !== '') finished.add(place)
    }
  }
  return {
    take(data) {
      if (data === '[DONE]') return saysLast
      if (error.test(data)) {
        const stated = parsedObject(data)?.error
        if (stated) return saysFailed(stated)
      }
      const hasFinished = finishReason.test(data)
      if (hasFinished || begun.size === 0 || laterIndex.test(data)) noteChoices(data)
      return hasFinished ? saysFinished : saysNothing
    },
    get isFinished() {
      return finished.size > 0 && [...begun].every((one) => finished.has(one))
    },
  }
}

export const chatFormat: AnswerFormat = {
  makeReader: makeChatReader,
  mayStateUsage: /"usage"\s*:\s*\{/,
  usageMember: ({ usage }) => usage,
  readUsage: (usage) => ({ usage: usageIn(usage), cost: statedCostIn(usage) }),
  words: /"(?:content|refusal|reasoning|reasoning_content|arguments|text)"\s*:\s*"/g,
  countsTokens: true,
  hasPlainAnswers: false,
  lastEvent: Buffer.from('data: [DONE]\n\n'),
  errorEvent: ({ code, message }) =>
    Buffer.from(`data: ${JSON.stringify({ error: { message, type: 'server_error', param: null, code } })}\n\n`),
  errorBody: (status, message, code) => ({
    error: { message, type: openAiType(status), param: null, code: code ?? null },
  }),
  isOwnError: () => true,
  errorHeaders: {},
}

const noChoices = /"choices"\s*:\s*\[\s*\]/

/** Whether the data of an event of a chat states the usage and nothing else. */
export const isOnlyUsage = (data: string): boolean => {
  if (!noChoices.test(data) || !chatFormat.mayStateUsage.test(data)) return false
  const { choices, usage } = parsedObject(data) ?? {}
  return Array.isArray(choices) && choices.length === 0 && isObject(usage)
}

const imageDone = /"type"\s*:\s*"image_(?:generation|edit)\.completed"/

/** A stream of images ends without a last event. */
export const imagesFormat: AnswerFormat = {
  ...chatFormat,
  makeReader() {
    const chat = makeChatReader()
    let isDone = false
    return {
      take(data) {
        isDone ||= imageDone.test(data)
        return isDone && !error.test(data) && data !== '[DONE]' ? saysFinished : chat.take(data)
      },
      get isFinished() {
        return isDone || chat.isFinished
      },
    }
  },
  lastEvent: Buffer.alloc(0),
}

const ending = /"type"\s*:\s*"(error|response\.(?:completed|failed|incomplete))"/

const readResponsesEvent = (data: string): EventMeaning => {
  if (!ending.test(data)) return saysNothing
  const event = parsedObject(data) ?? {}
  if (event.type === 'response.completed' || event.type === 'response.incomplete') return saysLast
  if (event.type === 'error') return saysFailed(event.error ?? event)
  if (event.type !== 'response.failed') return saysNothing
  const { response } = event
  return { ...saysFailed(isObject(response) ? response.error : undefined), isLast: true }
}

export const responsesFormat: AnswerFormat = {
  ...chatFormat,
  makeReader: statelessReader(readResponsesEvent),
  usageMember: ({ response, usage }) => (isObject(response) ? response.usage : usage),
  // Other events repeat whole texts whose parts were sent before.
  words: /"delta"\s*:\s*"/g,
  lastEvent: undefined,
  errorEvent: ({ code, message }) => namedEvent({ type: 'error', code, message, param: null }),
}
