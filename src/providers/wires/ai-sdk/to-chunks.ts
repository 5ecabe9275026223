import type { LanguageModelV3StreamPart } from '@ai-sdk/provider'
import type { ChatChunk } from '../../../model/gateway/chat.ts'
import { cutOff } from '../../upstream/errors.ts'
import { endOf, sentencesOf, toImage, toUsage } from './answer-parts.ts'
import type { SdkCall } from './dialect.ts'
import { asAppError } from './errors.ts'
import { detailsOf, thoughtSignatureOf } from './signatures.ts'
import { newAnswerId } from './to-completion.ts'

type Part = LanguageModelV3StreamPart
type Delta = Record<string, unknown>

/** Whether a part comes before the model's first output. */
const isPreface = ({ type }: Part): boolean => type === 'stream-start' || type === 'response-metadata' || type === 'raw'

/** Numbers tool calls in the order in which they begin, as OpenAI does. */
const toolCalls = () => {
  const numbers = new Map<string, number>()
  const begin = (id: string): number => {
    const index = numbers.get(id) ?? numbers.size
    numbers.set(id, index)
    return index
  }
  return { begin, has: (id: string) => numbers.has(id), count: () => numbers.size }
}

/** Converts parts to deltas; undefined for parts that add nothing. */
const makeDeltas = () => {
  const calls = toolCalls()
  let images = 0
  const deltaOf = (part: Part): Delta | undefined => {
    switch (part.type) {
      case 'text-delta':
        return part.delta === '' ? undefined : { content: part.delta }
      case 'reasoning-start':
      case 'reasoning-end':
      case 'reasoning-delta': {
        const said = part.type === 'reasoning-delta' ? part.delta : ''
        const details = detailsOf('', part.providerMetadata)
        if (said === '' && details.length === 0) return undefined
        return {
          ...(said === '' ? {} : { reasoning_content: said }),
          ...(details.length === 0 ? {} : { reasoning_details: details }),
        }
      }
      case 'tool-input-start': {
        const { id, toolName: name } = part
        const signed = thoughtSignatureOf(part.providerMetadata)
        return {
          tool_calls: [{ index: calls.begin(id), id, type: 'function', function: { name, arguments: '' }, ...signed }],
        }
      }
      case 'tool-input-delta':
        return { tool_calls: [{ index: calls.begin(part.id), function: { arguments: part.delta } }] }
      case 'tool-call': {
        const { toolCallId: id, toolName: name, input } = part
        if (calls.has(id) || part.providerExecuted === true) return undefined
        const signed = thoughtSignatureOf(part.providerMetadata)
        return {
          tool_calls: [
            { index: calls.begin(id), id, type: 'function', function: { name, arguments: input }, ...signed },
          ],
        }
      }
      case 'file':
        return { images: [toImage(part, images++)] }
      default:
        return undefined
    }
  }
  return { deltaOf, callsTools: () => calls.count() > 0 }
}

const partsOf = async function* (stream: ReadableStream<Part>): AsyncGenerator<Part> {
  const reader = stream.getReader()
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      yield value
    }
  } finally {
    // Stops the provider if the reader leaves early; does nothing at the end.
    await reader.cancel().catch(() => {})
  }
}

/**
 * Converts a stream to chunks of a chat completion: the role, the content, the finish reason, then the usage.
 * Throws for a stream that ends without a finish reason of the provider, whatever the package makes of it. `note` receives
 * the warnings before the first chunk.
 */
export const toChunks = async function* (
  stream: ReadableStream<Part>,
  call: SdkCall,
  note: (warnings: string[]) => void,
): AsyncGenerator<ChatChunk> {
  const head = {
    id: newAnswerId(),
    object: 'chat.completion.chunk',
    created: Math.floor(Date.now() / 1000),
    model: call.model,
  }
  const chunk = (delta: Delta, end: Record<string, unknown> = { finish_reason: null }): ChatChunk => ({
    ...head,
    choices: [{ index: 0, delta, logprobs: null, ...end }],
  })
  const { deltaOf, callsTools } = makeDeltas()
  let begun = false
  try {
    for await (const part of partsOf(stream)) {
      if (part.type === 'error') throw part.error
      if (part.type === 'stream-start') note(sentencesOf(part.warnings))
      if (part.type === 'response-metadata') {
        head.id = part.id ?? head.id
        head.model = part.modelId ?? head.model
      }
      if (!begun && !isPreface(part) && part.type !== 'finish') {
        begun = true
        yield chunk({ role: 'assistant', content: '' })
      }
      if (part.type === 'finish') {
        if (part.finishReason.raw === undefined) throw cutOff(call)
        if (!begun) yield chunk({ role: 'assistant', content: '' })
        yield chunk({}, endOf(part.finishReason, callsTools()))
        const usage = toUsage(part.usage)
        if (usage) yield { ...head, choices: [], usage }
        return
      }
      const delta = deltaOf(part)
      if (delta) yield chunk(delta)
    }
  } catch (error) {
    throw asAppError(error, call)
  }
  throw cutOff(call)
}
