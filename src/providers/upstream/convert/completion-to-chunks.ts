import type { ChatChunk, ChatCompletion } from '../../../model/gateway/chat.ts'

const calls = (value: unknown): unknown[] =>
  Array.isArray(value) ? value.map((one, index) => ({ index, ...one })) : []

/**
 * Splits a whole answer into the chunks of a stream: role, content, finish reason, usage. The parts of a text are joined.
 */
export const chunksOf = (
  completion: ChatCompletion,
  pieces: (text: string) => string[] = (text) => [text],
): ChatChunk[] => {
  const { choices, usage, ...head } = completion
  const chunk = (more: Pick<ChatChunk, 'choices'> & Partial<ChatChunk>): ChatChunk => ({
    ...head,
    object: 'chat.completion.chunk',
    ...more,
  })
  const said = choices.flatMap(({ message, finish_reason: reason }, index): ChatChunk[] => {
    const { content, role, tool_calls: toolCalls, ...rest } = message
    const text = typeof content === 'string' ? content : (content ?? []).map(({ text }) => text ?? '').join('')
    const delta = (of: Record<string, unknown>) => chunk({ choices: [{ index, delta: of, finish_reason: null }] })
    return [
      delta({ role: role ?? 'assistant', ...rest, content: '' }),
      ...(text === '' ? [] : pieces(text).map((piece) => delta({ content: piece }))),
      ...calls(toolCalls).map((one) => delta({ tool_calls: [one] })),
      chunk({ choices: [{ index, delta: {}, finish_reason: reason ?? 'stop' }] }),
    ]
  })
  return usage ? [...said, chunk({ choices: [], usage })] : said
}
