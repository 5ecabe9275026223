import { type ModelUsage, modelUsageSchema } from './chat.ts'

const counts = modelUsageSchema.omit({ estimated: true }).keyof().options

/** Sums the tokens of several calls; null when no provider reported any. */
export const totalUsage = (all: (ModelUsage | null)[]): ModelUsage | null => {
  const known = all.filter((one) => one !== null)
  if (known.length === 0) return null
  const entries = counts
    .filter((name) => known.some((one) => one[name] !== undefined))
    .map((name) => [name, known.reduce((sum, one) => sum + (one[name] ?? 0), 0)])
  const isEstimated = known.some(({ estimated }) => estimated)
  return Object.fromEntries(isEstimated ? [...entries, ['estimated', true]] : entries) as ModelUsage
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
