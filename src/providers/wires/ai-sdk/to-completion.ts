import { randomUUID } from 'node:crypto'
import type { LanguageModelV3Content, LanguageModelV3GenerateResult } from '@ai-sdk/provider'
import type { ChatCompletion } from '../../../model/gateway/chat.ts'
import type { WireCall } from '../../provider.ts'
import { endOf, toImage, toUsage } from './answer-parts.ts'
import { detailsOf, thoughtSignatureOf } from './signatures.ts'

type Kind = LanguageModelV3Content['type']
const only =
  <K extends Kind>(kind: K) =>
  (part: LanguageModelV3Content): part is Extract<LanguageModelV3Content, { type: K }> =>
    part.type === kind

const unlessEmpty = <T>(name: string, items: T[]): Record<string, T[]> => (items.length === 0 ? {} : { [name]: items })

/** Draws an id for an answer that has none. */
export const newAnswerId = (): string => `chatcmpl-${randomUUID().replaceAll('-', '')}`

/** Converts an answer to a chat completion, with thoughts in `reasoning_content` and pictures in `images`. */
export const toCompletion = (result: LanguageModelV3GenerateResult, call: WireCall): ChatCompletion => {
  const { content, finishReason, usage, response } = result
  const textParts = content.filter(only('text'))
  const thoughts = content.filter(only('reasoning'))
  const toolCalls = content.filter(only('tool-call')).filter((one) => one.providerExecuted !== true)
  const made = toolCalls.map((one) => ({
    id: one.toolCallId,
    type: 'function',
    function: { name: one.toolName, arguments: one.input },
    ...thoughtSignatureOf(one.providerMetadata),
  }))
  const thought = thoughts.map(({ text }) => text).join('')
  const usageHere = toUsage(usage)
  return {
    id: response?.id ?? newAnswerId(),
    object: 'chat.completion',
    created: Math.floor((response?.timestamp?.getTime() ?? Date.now()) / 1000),
    model: response?.modelId ?? call.model,
    choices: [
      {
        index: 0,
        message: {
          role: 'assistant',
          content: textParts.length === 0 && made.length > 0 ? null : textParts.map(({ text }) => text).join(''),
          ...(thought === '' ? {} : { reasoning_content: thought }),
          ...unlessEmpty(
            'reasoning_details',
            thoughts.flatMap((one) => detailsOf(one.text, one.providerMetadata)),
          ),
          ...unlessEmpty('tool_calls', made),
          ...unlessEmpty('images', content.filter(only('file')).map(toImage)),
        },
        logprobs: null,
        ...endOf(finishReason, made.length > 0),
      },
    ],
    ...(usageHere ? { usage: usageHere } : {}),
  }
}
