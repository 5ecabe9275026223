import { isObject, type JsonObject, parsedObject } from '../../../lib/json/json-object.ts'
import { geminiUsageIn } from '../usage/usage.ts'
import { type AnswerFormat, saysFailed, saysFinished, saysNothing, statelessReader } from './format.ts'
import { chatFormat } from './openai.ts'

const statuses: Record<number, string> = {
  400: 'INVALID_ARGUMENT',
  401: 'UNAUTHENTICATED',
  403: 'PERMISSION_DENIED',
  404: 'NOT_FOUND',
  413: 'INVALID_ARGUMENT',
  429: 'RESOURCE_EXHAUSTED',
}

const errorBody = (status: number, message: string): JsonObject => ({
  error: { code: status, message, status: statuses[status] ?? 'INTERNAL' },
})

const hasFinished = ({ candidates, promptFeedback }: JsonObject): boolean =>
  (isObject(promptFeedback) && promptFeedback.blockReason !== undefined) ||
  (Array.isArray(candidates) && candidates.some((one) => isObject(one) && one.finishReason))

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
    Buffer.from(`data: ${JSON.stringify(errorBody(Number(code) || 502, message))}\n\n`),
  errorBody,
}
