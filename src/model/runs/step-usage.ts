import { z } from 'zod'

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
