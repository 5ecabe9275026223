import type { Conversation, Message } from '../../../parts/conversation/conversation.ts'
import { noFields, type ParameterFields, type WantedFormat, wantedFormats } from '../request/fields.ts'
import { emptyDraft, type PlaygroundDraft } from './draft.ts'
import type { Picture } from './pictures.ts'

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

type Members = Record<string, unknown>

const isMembers = (value: unknown): value is Members =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
const numberText = (value: unknown): string => (typeof value === 'number' ? String(value) : '')
const stopText = (value: unknown): string =>
  (Array.isArray(value) ? value : [value]).filter((one) => typeof one === 'string').join('\n')

const formatFields = (format: unknown): Partial<ParameterFields> => {
  if (!isMembers(format) || !wantedFormats.includes(format.type as WantedFormat)) return {}
  const of = isMembers(format.json_schema) ? format.json_schema : undefined
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
  const members = Object.fromEntries(knobs.map(([name, value]) => [otherNames[name] ?? name, value])) as Members
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
