import type { JSONObject } from '@ai-sdk/provider'
import { isObject } from '../../../lib/json/json-object.ts'
import type { ChatRequest } from '../../../model/gateway/chat.ts'
import type { WireCall } from '../wire.ts'

/** How much a model is to think: a word of OpenAI's, or so many tokens. */
export type Effort = { level: 'none' | 'minimal' | 'low' | 'medium' | 'high' | 'xhigh' } | { tokens: number }

const levels = ['none', 'minimal', 'low', 'medium', 'high', 'xhigh'] as const

const levelOf = (value: unknown): Effort | undefined => {
  const level = levels.find((one) => one === value)
  return level === undefined ? undefined : { level }
}

const tokensOf = (value: unknown): Effort | undefined =>
  typeof value === 'number' && value > 0 ? { tokens: Math.floor(value) } : undefined

/** As OpenAI (`reasoning_effort`), OpenRouter (`reasoning`) and Anthropic (`thinking`) have it. */
export const effortOf = (request: ChatRequest): Effort | undefined => {
  const { reasoning_effort: effort, reasoning, thinking } = request
  const either = isObject(reasoning) ? (tokensOf(reasoning.max_tokens) ?? levelOf(reasoning.effort)) : undefined
  const budget = isObject(thinking)
    ? thinking.type === 'disabled'
      ? levelOf('none')
      : tokensOf(thinking.budget_tokens)
    : undefined
  return levelOf(effort) ?? either ?? budget
}

/** Tokens for those who want a number: what Google's own OpenAI endpoint takes these words for. */
const budgets = { none: 0, minimal: 1024, low: 1024, medium: 8192, high: 24_576, xhigh: 32_768 }
const budgetOf = (effort: Effort): number => ('tokens' in effort ? effort.tokens : budgets[effort.level])

/** The word for those who want one. */
const wordOf = (effort: Effort): Exclude<(typeof levels)[number], 'none'> => {
  if ('level' in effort && effort.level !== 'none') return effort.level
  const tokens = budgetOf(effort)
  return tokens <= budgets.low ? 'low' : tokens <= budgets.medium ? 'medium' : 'high'
}

const isOff = (effort: Effort): boolean => 'level' in effort && effort.level === 'none'

/** Claude models that are told a number of tokens; newer ones decide by themselves, within an effort. */
const countsTokens = /claude-3|claude-(sonnet|opus)-4(?!-[6-9])|claude-haiku-4/

const anthropic = (effort: Effort, model: string): JSONObject => {
  if (isOff(effort)) return { thinking: { type: 'disabled' } }
  if (countsTokens.test(model)) return { thinking: { type: 'enabled', budgetTokens: Math.max(1024, budgetOf(effort)) } }
  const word = wordOf(effort)
  return { thinking: { type: 'adaptive', display: 'summarized' }, effort: word === 'minimal' ? 'low' : word }
}

const google = (effort: Effort, model: string): JSONObject => {
  if (/gemini-2/.test(model)) {
    const thinkingBudget = Math.min(budgetOf(effort), budgets.high)
    return { thinkingConfig: { thinkingBudget, includeThoughts: thinkingBudget > 0 } }
  }
  const word = isOff(effort) ? 'minimal' : wordOf(effort)
  return { thinkingConfig: { thinkingLevel: word === 'xhigh' ? 'high' : word, includeThoughts: !isOff(effort) } }
}

const bedrock = (effort: Effort, model: string): JSONObject => {
  if (isOff(effort)) return { reasoningConfig: { type: 'disabled' } }
  const word = wordOf(effort)
  const maxReasoningEffort = word === 'minimal' ? 'low' : word
  if (!/anthropic/.test(model)) return { reasoningConfig: { type: 'enabled', maxReasoningEffort } }
  return countsTokens.test(model)
    ? { reasoningConfig: { type: 'enabled', budgetTokens: Math.max(1024, budgetOf(effort)) } }
    : { reasoningConfig: { type: 'adaptive', maxReasoningEffort, display: 'summarized' } }
}

const cohere = (effort: Effort): JSONObject =>
  isOff(effort) ? { thinking: { type: 'disabled' } } : { thinking: { type: 'enabled', tokenBudget: budgetOf(effort) } }

/** How much a model is to think, as its provider is told. */
export const reasoningOptions = (
  effort: Effort,
  { provider, model }: Pick<WireCall, 'provider' | 'model'>,
): JSONObject => {
  switch (provider.wire) {
    case 'anthropic':
      return anthropic(effort, model)
    case 'google':
    case 'vertex':
      return google(effort, model)
    case 'bedrock':
      return bedrock(effort, model)
    case 'cohere':
      return cohere(effort)
    default:
      return {}
  }
}
