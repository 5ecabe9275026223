import { isObject } from '../../../../src/lib/json/json-object.ts'
import type { ChatMessage, ChatPart } from '../../../../src/model/gateway/chat.ts'
import type { Conversation, Message, MessagePart } from '../../../parts/conversation/conversation.ts'
import { beginAnswer, type PlaygroundAnswer } from '../answers/answer.ts'
import { noFields, type ParameterFields, type WantedFormat, wantedFormats } from '../request/fields.ts'
import { mostPictures, type Picture } from './pictures.ts'

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

/** Further members of a request that mean the same to most models. */
const taken: ReadonlySet<string> = new Set([
  ...['tools', 'tool_choice', 'parallel_tool_calls', 'presence_penalty', 'frequency_penalty', 'logit_bias'],
  ...['reasoning_effort', 'reasoning', 'top_k', 'min_p', 'logprobs', 'top_logprobs', 'n', 'verbosity'],
])

/** Other names of what has a field here. */
const otherNames: Record<string, string> = {
  max_completion_tokens: 'max_tokens',
  max_output_tokens: 'max_tokens',
  stop_sequences: 'stop',
}

const numberText = (value: unknown): string => (typeof value === 'number' ? String(value) : '')
const stopText = (value: unknown): string =>
  (Array.isArray(value) ? value : [value]).filter((one) => typeof one === 'string').join('\n')

const formatFields = (format: unknown): Partial<ParameterFields> => {
  if (!isObject(format) || !wantedFormats.includes(format.type as WantedFormat)) return {}
  const of = isObject(format.json_schema) ? format.json_schema : undefined
  if (format.type !== 'json_schema' || !of) return { format: format.type === 'json_object' ? 'json_object' : 'text' }
  return {
    format: 'json_schema',
    schema: JSON.stringify(of.schema ?? {}, null, 2),
    schemaName: typeof of.name === 'string' ? of.name : 'answer',
    isStrict: of.strict === true,
  }
}

/** The parameters of a recorded request as fields. */
const fieldsOf = (knobs: Conversation['knobs']): ParameterFields => {
  const members = Object.fromEntries(knobs.map(([name, value]) => [otherNames[name] ?? name, value])) as Record<
    string,
    unknown
  >
  const more = Object.entries(members).filter(([name, value]) => taken.has(name) && value !== null)
  return {
    ...noFields,
    temperature: numberText(members.temperature),
    maxTokens: numberText(members.max_tokens),
    topP: numberText(members.top_p),
    seed: numberText(members.seed),
    stop: stopText(members.stop),
    ...formatFields(members.response_format),
    more: more.length === 0 ? '' : JSON.stringify(Object.fromEntries(more), null, 2),
  }
}

const isSystem = ({ role, parts }: Message): boolean =>
  (role === 'system' || role === 'developer') && parts.every(({ kind }) => kind === 'text')

const textOf = ({ parts }: Message): string =>
  parts.flatMap((part) => (part.kind === 'text' ? [part.text] : [])).join('\n\n')

const picturesOf = ({ parts }: Message): Picture[] =>
  parts.flatMap((part, at) => (part.kind === 'image' ? [{ name: `image ${at + 1}`, url: part.source }] : []))

/** A message that can be written anew: a person's, of texts and images. */
const isQuestion = ({ role, parts }: Message): boolean =>
  role === 'user' && parts.every(({ kind }) => kind === 'text' || kind === 'image')

/**
 * What a step asked, to be asked again: its last question is written down, ready to be changed, and everything before it
 * stays as it was said.
 */
export const draftFrom = ({ messages, asked, knobs }: Conversation): PlaygroundDraft => {
  const said = messages.slice(0, asked)
  const firstOther = said.findIndex((message) => !isSystem(message))
  const systems = firstOther < 0 ? said : said.slice(0, firstOther)
  const rest = firstOther < 0 ? [] : said.slice(firstOther)
  const last = rest.at(-1)
  const isOpen = last !== undefined && isQuestion(last)
  return {
    ...emptyDraft,
    system: systems.map(textOf).join('\n\n'),
    earlier: isOpen ? rest.slice(0, -1) : rest,
    ...(isOpen ? { text: textOf(last), pictures: picturesOf(last) } : {}),
    fields: fieldsOf(knobs),
  }
}

/** A question, and what each model answered. */
export interface AskedTurn {
  id: number
  text: string
  pictures: Picture[]
  answers: PlaygroundAnswer[]
}

/** Everything that somebody has written in the playground, and what came back. */
export interface PlaygroundDraft {
  system: string
  /** What was said before, in the run that this was opened from. */
  earlier: Message[]
  turns: AskedTurn[]
  /** The next question. */
  text: string
  pictures: Picture[]
  fields: ParameterFields
}

export const emptyDraft: PlaygroundDraft = {
  system: '',
  earlier: [],
  turns: [],
  text: '',
  pictures: [],
  fields: noFields,
}

export type DraftChange =
  | { kind: 'set'; part: Partial<PlaygroundDraft> }
  /** Images were read. They come in their own time, so each is added to what is there by then. */
  | { kind: 'show'; pictures: readonly Picture[] }
  /** The written question becomes a turn that the models answer. */
  | { kind: 'ask'; turn: number; models: readonly string[] }
  /** A turn is answered anew, under a new number; what came after it is gone. */
  | { kind: 'again'; turn: number; as: number; models: readonly string[] }
  /** The question of a turn is written anew; it and what came after it are gone. */
  | { kind: 'edit'; turn: number }
  | { kind: 'answer'; turn: number; column: number; part: Partial<PlaygroundAnswer> }

const upTo = ({ turns }: PlaygroundDraft, id: number): AskedTurn[] => turns.filter((turn) => turn.id < id)

/** Applies a change to a draft. */
export const changedDraft = (draft: PlaygroundDraft, change: DraftChange): PlaygroundDraft => {
  const { turns, text, pictures } = draft
  if (change.kind === 'set') return { ...draft, ...change.part }
  if (change.kind === 'show') return { ...draft, pictures: [...pictures, ...change.pictures].slice(0, mostPictures) }
  const { turn: id } = change
  const turn = turns.find((one) => one.id === id)
  switch (change.kind) {
    case 'ask': {
      const asked = { id, text, pictures, answers: change.models.map(beginAnswer) }
      return { ...draft, turns: [...turns, asked], text: '', pictures: [] }
    }
    case 'again':
      return turn
        ? { ...draft, turns: [...upTo(draft, id), { ...turn, id: change.as, answers: change.models.map(beginAnswer) }] }
        : draft
    case 'edit':
      return turn ? { ...draft, turns: upTo(draft, id), text: turn.text, pictures: turn.pictures } : draft
    default:
      return { ...draft, turns: turns.map((one) => (one.id === id ? withAnswer(one, change) : one)) }
  }
}

const withAnswer = (turn: AskedTurn, { column, part }: Extract<DraftChange, { kind: 'answer' }>): AskedTurn => ({
  ...turn,
  answers: turn.answers.map((answer, at) => (at === column ? { ...answer, ...part } : answer)),
})

/** Whether there is something to send: a question, or a conversation whose last word is not the model's. */
export const hasQuestion = ({ text, pictures, turns, earlier }: PlaygroundDraft): boolean =>
  text.trim() !== '' ||
  pictures.length > 0 ||
  (turns.length === 0 && earlier.length > 0 && earlier.at(-1)?.role !== 'assistant')

/** Whether any model is still answering. */
export const isAnswering = ({ turns }: PlaygroundDraft): boolean =>
  turns.some(({ answers }) => answers.some(({ state }) => state === 'streaming'))

/** The number of the next turn. */
export const nextTurn = ({ turns }: PlaygroundDraft): number => (turns.at(-1)?.id ?? 0) + 1
