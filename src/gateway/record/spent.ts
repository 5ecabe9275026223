import type { ModelUsage } from '../../model/gateway/chat.ts'
import { priceOf } from '../../providers/prices/prices.ts'
import { formatOf } from '../../upstream/formats/formats.ts'
import { atLeast, estimatedPrompt, makeTokenEstimate } from '../../upstream/usage/estimate.ts'
import { tokenUsage } from '../../upstream/usage/usage.ts'
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

/** Usage under a budget: what the provider did not count, or counted only at the start of a broken answer, is estimated. */
const budgeted = (call: FinishedCall, usage: ModelUsage | null): ModelUsage => {
  if (!usage) return tokenUsage(estimatedPrompt(call.request), estimatedAnswer(call))
  return call.status === 'completed' ? usage : atLeast(usage, estimatedAnswer(call))
}

/**
 * Counts a call for the day by what its provider counted. Under a budget the rest is estimated: providers count streams
 * only on request, and never those that a client aborted, so both would be free. Records never hold estimates. Cached
 * answers and built-in models cost nothing.
 */
export const spentOn = async (
  call: FinishedCall,
  { usage, usd }: { usage: ModelUsage | null; usd: number | null },
): Promise<Spent> => {
  const { provider, model, shape, httpStatus, cached, isBudgeted } = call
  if (cached || !provider || provider.wire.isBuiltIn) return { usd: null, tokens: null }
  const isRefused = httpStatus === null || httpStatus >= 300
  const isStated = usage !== null && (call.status === 'completed' || !isBudgeted)
  if (isStated || isRefused || !isBudgeted) return { usd, tokens: usage?.total_tokens ?? null }
  if (!usage && (usd !== null || shape === 'images')) return { usd, tokens: null }
  const counted = budgeted(call, usage)
  const isRaised = counted.completion_tokens !== usage?.completion_tokens
  return { usd: isRaised ? ((await priceOf(provider, model, counted)) ?? usd) : usd, tokens: counted.total_tokens }
}
