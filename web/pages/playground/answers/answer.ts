import { isObject, jsonOrText } from '../../../../src/lib/json/json-object.ts'
import { type MessagePart, type TokenCount, usedTokens } from '../../../parts/conversation/conversation.ts'

/** Why there is no answer, and what to do. */
export interface Refusal {
  code: string
  message: string
  hint?: string | undefined
  /** Status with which the provider of the model refused. */
  providerStatus?: number | undefined
}

interface AskedTool {
  id: string
  name: string
  /** JSON as the model wrote it. */
  arguments: string
}

/** What a model has answered so far. */
export interface PlaygroundAnswer {
  model: string
  state: 'streaming' | 'done' | 'stopped' | 'failed'
  text: string
  thought: string
  tools: AskedTool[]
  finish?: string | undefined
  tokens?: TokenCount | undefined
  /** US dollars; null: its price is not known. */
  costUsd?: number | null | undefined
  /** The cost was computed here from the price list, since the call is not recorded. */
  isEstimated?: boolean | undefined
  firstTokenMs?: number | undefined
  totalMs?: number | undefined
  /** Id of the run that recorded the call. */
  recordId?: string | undefined
  /** Collection that has the record. */
  collection?: string | undefined
  isUnrecorded?: boolean | undefined
  /** Parts of the request that the provider's protocol cannot carry. */
  warnings?: string | undefined
  refusal?: Refusal | undefined
}

export const beginAnswer = (model: string): PlaygroundAnswer => ({
  model,
  state: 'streaming',
  text: '',
  thought: '',
  tools: [],
})

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '')

/** Text of a message: one text, or the texts among its parts. */
const contentText = (content: unknown): string =>
  Array.isArray(content)
    ? content
        .filter(isObject)
        .map((part) => textOf(part.text))
        .join('')
    : textOf(content)

const withTools = (tools: readonly AskedTool[], pieces: unknown): AskedTool[] => {
  const next = [...tools]
  for (const [at, piece] of (Array.isArray(pieces) ? pieces : []).filter(isObject).entries()) {
    const index = typeof piece.index === 'number' ? piece.index : at
    const of = isObject(piece.function) ? piece.function : {}
    const known = next[index] ?? { id: '', name: '', arguments: '' }
    next[index] = {
      id: known.id || textOf(piece.id),
      name: known.name + textOf(of.name),
      arguments: known.arguments + textOf(of.arguments),
    }
  }
  return next.filter((tool) => tool !== undefined)
}

/** The tokens of a call, with those that OpenAI counts one level deeper. */
const tokensOf = (usage: unknown): TokenCount | undefined => {
  if (!isObject(usage)) return undefined
  const [sent, answered] = [usage.prompt_tokens_details, usage.completion_tokens_details].map((one) =>
    isObject(one) ? one : {},
  )
  return usedTokens({ cached_tokens: sent?.cached_tokens, reasoning_tokens: answered?.reasoning_tokens, ...usage })
}

/** Adds one event of a stream. `atMs` is counted from when the question was sent. */
export const withChunk = (answer: PlaygroundAnswer, chunk: unknown, atMs: number): PlaygroundAnswer => {
  if (!isObject(chunk)) return answer
  const choice = Array.isArray(chunk.choices) ? chunk.choices.filter(isObject)[0] : undefined
  const delta = isObject(choice?.delta) ? choice.delta : {}
  const text = contentText(delta.content) + textOf(delta.refusal)
  const thought = textOf(delta.reasoning_content ?? delta.reasoning)
  const tools = withTools(answer.tools, delta.tool_calls)
  const isFirst = answer.firstTokenMs === undefined && (text !== '' || thought !== '' || tools.length > 0)
  return {
    ...answer,
    text: answer.text + text,
    thought: answer.thought + thought,
    tools,
    finish: textOf(choice?.finish_reason) || answer.finish,
    tokens: tokensOf(chunk.usage) ?? answer.tokens,
    ...(isFirst ? { firstTokenMs: atMs } : {}),
  }
}

/** Takes an answer that came in one piece. */
export const withCompletion = (answer: PlaygroundAnswer, completion: unknown, atMs: number): PlaygroundAnswer => {
  if (!isObject(completion)) return answer
  const choices = (Array.isArray(completion.choices) ? completion.choices : []).filter(isObject)
  return withChunk(answer, { ...completion, choices: choices.map((one) => ({ ...one, delta: one.message })) }, atMs)
}

/** The answer as parts of a message. */
export const answerParts = ({ text, thought, tools }: PlaygroundAnswer): MessagePart[] => [
  ...(thought === '' ? [] : [{ kind: 'thought' as const, text: thought }]),
  ...(text === '' ? [] : [{ kind: 'text' as const, text }]),
  ...tools.map((tool) => ({ kind: 'call' as const, ...tool, arguments: jsonOrText(tool.arguments) })),
]

interface Price {
  input: number
  output: number
  cached_input: number
}

/** What tokens cost at a price in US dollars per million; null where either is not known. */
export const estimatedCost = (tokens: TokenCount | undefined, price: Price | null | undefined): number | null => {
  if (!tokens || !price) return null
  const { sent, answered, cached = 0 } = tokens
  return ((sent - cached) * price.input + cached * price.cached_input + answered * price.output) / 1_000_000
}
