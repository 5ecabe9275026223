import { isObject } from '../../../lib/json/json-object.ts'
import type { ChatRequest } from '../../../model/gateway/chat.ts'

/** How much a model should reason: one of OpenAI's words, or a number of tokens. */
export type Effort = { level: 'none' | 'minimal' | 'low' | 'medium' | 'high' | 'xhigh' } | { tokens: number }

const levels = ['none', 'minimal', 'low', 'medium', 'high', 'xhigh'] as const

const levelOf = (value: unknown): Effort | undefined => {
  const level = levels.find((one) => one === value)
  return level === undefined ? undefined : { level }
}

const budgetIn = (value: unknown): Effort | undefined =>
  typeof value === 'number' && value > 0 ? { tokens: Math.floor(value) } : undefined

/** Reads it as OpenAI (`reasoning_effort`), OpenRouter (`reasoning`) or Anthropic (`thinking`) writes it. */
export const effortOf = (request: ChatRequest): Effort | undefined => {
  const { reasoning_effort: effort, reasoning, thinking } = request
  const either = isObject(reasoning) ? (budgetIn(reasoning.max_tokens) ?? levelOf(reasoning.effort)) : undefined
  const budget = isObject(thinking)
    ? thinking.type === 'disabled'
      ? levelOf('none')
      : budgetIn(thinking.budget_tokens)
    : undefined
  return levelOf(effort) ?? either ?? budget
}

/** Tokens for each word, as in Google's own OpenAI endpoint. */
export const effortTokens = { none: 0, minimal: 1024, low: 1024, medium: 8192, high: 24_576, xhigh: 32_768 }

/** The number of tokens, for a model that wants one. */
export const tokensOf = (effort: Effort): number => ('tokens' in effort ? effort.tokens : effortTokens[effort.level])

/** The word, for a model that wants one. */
export const wordOf = (effort: Effort): Exclude<(typeof levels)[number], 'none'> => {
  if ('level' in effort && effort.level !== 'none') return effort.level
  const tokens = tokensOf(effort)
  return tokens <= effortTokens.low ? 'low' : tokens <= effortTokens.medium ? 'medium' : 'high'
}

export const isOff = (effort: Effort): boolean => 'level' in effort && effort.level === 'none'

/** Whether a Claude model takes a number of tokens; newer ones take an effort. */
export const claudeCountsTokens = (model: string): boolean =>
  /claude-3|claude-(sonnet|opus)-4(?!-[6-9])|claude-haiku-4/.test(model)
