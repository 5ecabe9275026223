import type { ModelUsage } from '../../model/gateway/chat.ts'
import { priceOf } from '../../providers/prices/prices.ts'
import type { FinishedCall } from './finished-call.ts'

/** What a call adds to what its collection has used today; null where there is nothing to count. */
export interface Spent {
  usd: number | null
  tokens: number | null
}

/** What was read of an answer: `said` is all that the model wrote. */
export interface CountedAnswer {
  usage: ModelUsage | null
  usd: number | null
  said: string
}

/** As a rule of thumb; of other languages than English it is fewer. */
const charactersPerToken = 4
/** Images and the like inside of a request: they are no text, and nobody can tell how many tokens they are. */
const fewestEncoded = 1000
const words = /[\w+/=-]+/g

const withoutEncoded = (text: string): string =>
  text.replace(words, (word) => (word.length < fewestEncoded ? word : ''))

const tokensOf = (text: string): number => Math.ceil(text.length / charactersPerToken)

const estimated = (request: Buffer, said: string): ModelUsage => {
  const prompt_tokens = tokensOf(withoutEncoded(request.toString()))
  const completion_tokens = tokensOf(said)
  return { prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens }
}

/**
 * What a call counts towards the day: what its provider counted. Where that is silent and there is a budget, an estimate:
 * providers do not count a stream unless they are asked to, nor one that its client left, and a budget that took their
 * word alone would let both through for nothing. The record of the call has no estimate in it. A kept answer, and one of a
 * scripted model, costs nothing.
 */
export const spentOn = async (call: FinishedCall, { usage, usd, said }: CountedAnswer): Promise<Spent> => {
  const { provider, model, shape, httpStatus, cached, request, isBudgeted } = call
  if (cached || !provider || provider.wire === 'scripted') return { usd: null, tokens: null }
  if (usage) return { usd, tokens: usage.total_tokens }
  const isRefused = httpStatus === null || httpStatus >= 300
  if (!isBudgeted || isRefused || usd !== null || shape === 'images') return { usd, tokens: null }
  const roughly = estimated(request, said)
  return { usd: await priceOf(provider, model, roughly), tokens: roughly.total_tokens }
}
