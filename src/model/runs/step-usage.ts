import { z } from 'zod'
import type { ModelUsage } from '../gateway/chat.ts'

const tokens = z.int().min(0)

/** Tokens of model calls, in and out. */
export const callTokensSchema = z
  .object({
    prompt_tokens: tokens,
    completion_tokens: tokens,
    total_tokens: tokens,
    estimated: z
      .literal(true)
      .exactOptional()
      .describe('A part of them, and of their cost, is estimated: a provider did not count it.'),
  })
  .meta({ id: 'CallTokens' })
export type CallTokens = z.infer<typeof callTokensSchema>

/** Usage of model calls. The cost is in US dollars; null when a price is unknown. */
export interface StepUsage extends CallTokens {
  cost_usd: number | null
}

/** Adds what more calls used. */
export const addCallUsage = (
  sum: StepUsage | undefined,
  usage: Pick<ModelUsage, keyof CallTokens> | null | undefined,
  cost: number | null,
): StepUsage => {
  const { prompt_tokens = 0, completion_tokens = 0, total_tokens = 0, estimated } = usage ?? {}
  const mark = estimated || sum?.estimated ? { estimated: true as const } : {}
  if (!sum) return { prompt_tokens, completion_tokens, total_tokens, cost_usd: cost, ...mark }
  return {
    prompt_tokens: sum.prompt_tokens + prompt_tokens,
    completion_tokens: sum.completion_tokens + completion_tokens,
    total_tokens: sum.total_tokens + total_tokens,
    cost_usd: sum.cost_usd === null || cost === null ? null : Number((sum.cost_usd + cost).toFixed(12)),
    ...mark,
  }
}
