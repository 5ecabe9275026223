import type { ChatMessage, ChatPart } from '../../../../src/model/gateway/chat.ts'
import type { Message, MessagePart } from '../../../parts/conversation/conversation.ts'
import type { AskedTurn, PlaygroundDraft } from '../draft/draft.ts'
import type { Picture } from '../draft/pictures.ts'

const textPart = (text: string): ChatPart => ({ type: 'text', text })
const imagePart = (url: string): ChatPart => ({ type: 'image_url', image_url: { url } })
const jsonText = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value))

const partFor = (part: MessagePart): ChatPart[] => {
  if (part.kind === 'text') return [textPart(part.text)]
  if (part.kind === 'image') return [imagePart(part.source)]
  return part.kind === 'other' && typeof part.value === 'object' ? [part.value as ChatPart] : []
}

/** A message may be one text; models without images understand nothing else. */
const contentFor = (parts: readonly MessagePart[]): string | ChatPart[] => {
  const content = parts.flatMap(partFor)
  return content.every(({ type }) => type === 'text') ? content.map(({ text }) => text).join('\n') : content
}

/** A message of any protocol as OpenAI writes it: each result of a tool is a message of its own. */
const messagesFor = ({ role, parts }: Message): ChatMessage[] => {
  const results = parts.flatMap((part) =>
    part.kind === 'result' ? [{ role: 'tool', tool_call_id: part.id, content: jsonText(part.content) }] : [],
  )
  const calls = parts.flatMap((part) =>
    part.kind === 'call'
      ? [{ id: part.id, type: 'function', function: { name: part.name, arguments: jsonText(part.arguments) } }]
      : [],
  )
  const content = contentFor(parts)
  const isBare = content.length === 0
  if (calls.length > 0) return [{ role: 'assistant', content: isBare ? null : content, tool_calls: calls }]
  return [...results, ...(isBare && results.length > 0 ? [] : [{ role: role === 'tool' ? 'user' : role, content }])]
}

const questionFor = (text: string, pictures: readonly Picture[]): ChatMessage[] => {
  if (pictures.length === 0) return text.trim() === '' ? [] : [{ role: 'user', content: text }]
  const content = [...pictures.map(({ url }) => imagePart(url)), ...(text.trim() === '' ? [] : [textPart(text)])]
  return [{ role: 'user', content }]
}

/** What a model of a column has answered; one that was added later goes on from what the first one said. */
const answerFor = ({ answers }: AskedTurn, column: number): ChatMessage[] => {
  const text = answers[column]?.text || answers[0]?.text
  return text ? [{ role: 'assistant', content: text }] : []
}

/** The messages that a model is sent: all turns before, and the question. */
export const chatMessages = (
  { system, earlier, turns }: Pick<PlaygroundDraft, 'system' | 'earlier' | 'turns'>,
  question: Pick<AskedTurn, 'text' | 'pictures'>,
  column: number,
): ChatMessage[] => [
  ...(system.trim() === '' ? [] : [{ role: 'system', content: system }]),
  ...earlier.flatMap(messagesFor),
  ...turns.flatMap((turn) => [...questionFor(turn.text, turn.pictures), ...answerFor(turn, column)]),
  ...questionFor(question.text, question.pictures),
]
