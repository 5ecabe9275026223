import { z } from 'zod'

export const expectedSchema = z
  .object({
    expected: z.number(),
    low: z.number().nullable().describe('Null, as `high`, where only one run is recorded.'),
    high: z.number().nullable(),
  })
  .meta({ id: 'ExpectedValue' })
export type ExpectedValue = z.output<typeof expectedSchema>

/** The estimate that a batch or an evaluation keeps from its start; `raw` is the expected cost before the correction. */
export const keptEstimateSchema = expectedSchema.extend({ raw: z.number() }).meta({ id: 'KeptEstimate' })
export type KeptEstimate = z.output<typeof keptEstimateSchema>

export const estimateAtStartSchema = expectedSchema
  .nullable()
  .describe('Cost in US dollars that was expected at the start; null if nothing was known, and for a provider batch.')

/** What documents show of a kept estimate. */
export const expectedAtStart = (kept: KeptEstimate | undefined): ExpectedValue | null => {
  if (!kept) return null
  const { raw: _, ...expected } = kept
  return expected
}
