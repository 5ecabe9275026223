import type { JsonObject } from '../../lib/json/json-object.ts'
import type { ModelUsage } from '../../model/gateway/chat.ts'
import { shapeFacts } from '../../model/gateway/shape.ts'
import { errorInside } from '../../providers/upstream/errors.ts'
import { formatOf } from '../../providers/upstream/formats/formats.ts'
import { atLeast, estimatedPrompt, makeTokenEstimate } from '../../providers/upstream/usage/estimate.ts'
import { tokenUsage } from '../../providers/upstream/usage/usage.ts'
import type { FinishedCall } from './finished-call.ts'

/** The amount that a call adds to today's spending of its collection. Null: nothing to count. */
export interface Spent {
  usd: number | null
  tokens: number | null
}

/** `provider/model` of a call; without the provider if none was called. */
export const calledModel = ({ provider, model }: Pick<FinishedCall, 'provider' | 'model'>): string =>
  provider ? `${provider.id}/${model}` : model

const estimatedAnswer = ({ shape, answer }: FinishedCall): number => {
  const estimate = makeTokenEstimate(formatOf[shape].words)
  if (answer?.kind === 'events') answer.data.forEach(estimate.take)
  else if (answer) estimate.take(answer.bytes.toString())
  return estimate.tokens
}

/** The least that an answer without a count has used; null where nobody can tell, as for images. */
const estimatedUsage = (call: FinishedCall): ModelUsage | null => {
  const { estimated } = shapeFacts[call.shape]
  if (estimated === undefined) return null
  const answered = estimated === 'request' ? 0 : estimatedAnswer(call)
  return tokenUsage(estimatedPrompt(call.request), answered, { estimated: true })
}

/**
 * The tokens of a call: as its provider counted them, and otherwise estimated. Some providers count no streams, and none
 * counts to the end an answer that its client left: neither was free. Null for a refusal.
 */
export const usageOf = (call: FinishedCall, answer: JsonObject, counted: ModelUsage | null): ModelUsage | null => {
  const { provider, httpStatus, status } = call
  const isRefused = httpStatus === null || httpStatus >= 300 || (!counted && errorInside(answer) !== undefined)
  if (isRefused || !provider || provider.wire.isBuiltIn) return counted
  // Anthropic's events must state a number: 0 where they are converted from a chat without one.
  if (!counted?.total_tokens) return estimatedUsage(call)
  return status === 'completed' ? counted : atLeast(counted, estimatedAnswer(call))
}

/** Counts a call for the day. Cached answers and built-in models cost nothing. */
export const spentOn = ({ provider, cached }: FinishedCall, usage: ModelUsage | null, usd: number | null): Spent =>
  cached || !provider || provider.wire.isBuiltIn
    ? { usd: null, tokens: null }
    : { usd, tokens: usage?.total_tokens ?? null }
