import type { CallTokens, StepUsage } from '../runs/step-usage.ts'
import type { ModelUsage } from './chat.ts'

/** Sums the tokens of several calls; null when no provider reported any. */
export const totalUsage = (all: (ModelUsage | null)[]): ModelUsage | null => {
  const sum: Record<string, number | true> = {}
  for (const [name, count] of all.flatMap((one) => Object.entries(one ?? {}))) {
    sum[name] = count === true || Number(sum[name] ?? 0) + count
  }
  return Object.keys(sum).length === 0 ? null : (sum as unknown as ModelUsage)
}

/** Sums prices without floating point noise; null when one is unknown. */
export const totalCost = (all: (number | null)[]): number | null => {
  let sum = 0
  for (const cost of all) {
    if (cost === null) return null
    sum += cost
  }
  return Number(sum.toFixed(12))
}

/** Adds what more calls used. */
export const addCallUsage = (
  sum: StepUsage | undefined,
  usage: Pick<ModelUsage, keyof CallTokens> | null | undefined,
  cost: number | null,
): StepUsage => ({
  prompt_tokens: (sum?.prompt_tokens ?? 0) + (usage?.prompt_tokens ?? 0),
  completion_tokens: (sum?.completion_tokens ?? 0) + (usage?.completion_tokens ?? 0),
  total_tokens: (sum?.total_tokens ?? 0) + (usage?.total_tokens ?? 0),
  cost_usd: sum ? totalCost([sum.cost_usd, cost]) : cost,
  ...((usage?.estimated || sum?.estimated) && { estimated: true }),
})

/** Sums the usage of a run's steps, as its document has it; null when none is recorded. */
export const usageOfRun = (steps: (StepUsage | undefined)[]): { usage: CallTokens | null; cost_usd: number | null } => {
  const calls = steps.filter((step) => step !== undefined)
  if (calls.length === 0) return { usage: null, cost_usd: null }
  const usage: CallTokens = { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 }
  for (const call of calls) {
    usage.prompt_tokens += call.prompt_tokens
    usage.completion_tokens += call.completion_tokens
    usage.total_tokens += call.total_tokens
    if (call.estimated) usage.estimated = true
  }
  return { usage, cost_usd: totalCost(calls.map(({ cost_usd }) => cost_usd)) }
}
