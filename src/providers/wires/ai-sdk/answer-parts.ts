import type { LanguageModelV3FinishReason, LanguageModelV3Usage, SharedV3Warning } from '@ai-sdk/provider'
import type { ChatCompletion } from '../../../model/gateway/chat.ts'

const reasons = {
  stop: 'stop',
  length: 'length',
  'content-filter': 'content_filter',
  'tool-calls': 'tool_calls',
  error: 'error',
  other: 'stop',
} as const

/**
 * Why an answer ended, in OpenAI's words and in the provider's. Clients look for `tool_calls` there, whatever a provider
 * calls such an end.
 */
export const endOf = ({ unified, raw }: LanguageModelV3FinishReason, callsTools: boolean) => ({
  finish_reason: callsTools && reasons[unified] === 'stop' ? 'tool_calls' : reasons[unified],
  ...(raw === undefined ? {} : { native_finish_reason: raw }),
})

/** Usage in OpenAI's shape; undefined if the provider counted nothing. */
export const toUsage = ({ inputTokens, outputTokens }: LanguageModelV3Usage): ChatCompletion['usage'] => {
  if (inputTokens.total === undefined && outputTokens.total === undefined) return undefined
  const prompt = inputTokens.total ?? 0
  const completion = outputTokens.total ?? 0
  const { cacheRead, cacheWrite } = inputTokens
  const { reasoning } = outputTokens
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: {
      cached_tokens: cacheRead ?? 0,
      ...(cacheWrite ? { cache_write_tokens: cacheWrite } : {}),
    },
    ...(reasoning === undefined ? {} : { completion_tokens_details: { reasoning_tokens: reasoning } }),
  }
}

/** A file that a model answers with, as OpenRouter writes it in a message. */
export const toImage = ({ data, mediaType }: { data: string | Uint8Array; mediaType: string }, index: number) => ({
  index,
  type: 'image_url',
  image_url: {
    url: `data:${mediaType};base64,${typeof data === 'string' ? data : Buffer.from(data).toString('base64')}`,
  },
})

/** The warnings of a package about a request, a sentence each. */
export const sentencesOf = (warnings: SharedV3Warning[]): string[] =>
  warnings.map((one) =>
    one.type === 'other' ? one.message : `${one.feature}: ${one.details ?? 'this model has no place for it'}`,
  )
