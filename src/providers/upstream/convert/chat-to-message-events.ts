import { z } from 'zod'
import type { ChatChunk } from '../../../model/gateway/chat.ts'
import type { Frame } from '../frames/sse.ts'
import { messagesUsage, stopReason } from './messages-and-chat.ts'

const event = (data: { type: string } & Record<string, unknown>): Frame => {
  const text = JSON.stringify(data)
  return { bytes: Buffer.from(`event: ${data.type}\ndata: ${text}\n\n`), data: text }
}

const callDeltas = z
  .array(
    z.looseObject({
      index: z.number().int().nullish(),
      id: z.string().nullish(),
      function: z.looseObject({ name: z.string().nullish(), arguments: z.string().nullish() }).nullish(),
    }),
  )
  .nullish()
  .catch(null)

/** Numbers the blocks of a message. Tool calls stay open to the end: their arguments may arrive interleaved. */
const makeBlocks = () => {
  let next = 0
  let text: number | undefined
  const calls = new Map<number, number>()
  const start = (block: Record<string, unknown>): Frame =>
    event({ type: 'content_block_start', index: next, content_block: block })
  const stop = (index: number): Frame => event({ type: 'content_block_stop', index })
  const closeText = (): Frame[] => {
    if (text === undefined) return []
    const closed = stop(text)
    text = undefined
    return [closed]
  }
  return {
    text(words: string): Frame[] {
      const opened = text === undefined ? [start({ type: 'text', text: '' })] : []
      text ??= next++
      const delta = { type: 'text_delta', text: words }
      return [...opened, event({ type: 'content_block_delta', index: text, delta })]
    },
    call(number: number, use: { id: string; name: string }, partial: string): Frame[] {
      const known = calls.get(number)
      const opened = known === undefined ? [...closeText(), start({ type: 'tool_use', ...use, input: {} })] : []
      const index = known ?? next++
      calls.set(number, index)
      const delta = { type: 'input_json_delta', partial_json: partial }
      return partial === '' ? opened : [...opened, event({ type: 'content_block_delta', index, delta })]
    },
    close: (): Frame[] => [...closeText(), ...[...calls.values()].map(stop)],
  }
}

/** Converts the chunks of a chat to the events of Anthropic's stream. Breaks off where the chunks do. */
export const messageEvents = async function* (chunks: AsyncIterable<ChatChunk>, asked: string): AsyncGenerator<Frame> {
  const blocks = makeBlocks()
  let hasBegun = false
  let finish: string | null | undefined
  let usage: ChatChunk['usage']

  for await (const chunk of chunks) {
    if (!hasBegun) {
      hasBegun = true
      const message = {
        id: `msg_${chunk.id ?? 'unnamed'}`,
        type: 'message',
        role: 'assistant',
        model: chunk.model ?? asked,
      }
      const empty = { content: [], stop_reason: null, stop_sequence: null, usage: messagesUsage(chunk.usage) }
      yield event({ type: 'message_start', message: { ...message, ...empty } })
    }
    usage = chunk.usage ?? usage
    const choice = chunk.choices.find(({ index }) => (index ?? 0) === 0)
    finish = choice?.finish_reason ?? finish
    const text = choice?.delta?.content
    if (text) yield* blocks.text(text)
    for (const { index, id, function: called } of callDeltas.parse(choice?.delta?.tool_calls) ?? []) {
      const number = index ?? 0
      yield* blocks.call(number, { id: id ?? `toolu_${number}`, name: called?.name ?? '' }, called?.arguments ?? '')
    }
  }
  yield* blocks.close()
  const counted = messagesUsage(usage)
  yield event({
    type: 'message_delta',
    delta: { stop_reason: stopReason(finish), stop_sequence: null },
    usage: counted,
  })
  yield event({ type: 'message_stop' })
}
