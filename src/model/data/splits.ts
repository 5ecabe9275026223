import { z } from 'zod'

/** Items are assigned to this many buckets by the hash of their id. */
export const splitBuckets = 10_000

const mostSplits = 20

/** Shares of the splits of a dataset. */
export const splitsSchema = z
  .record(
    z.string().regex(/^[A-Za-z][A-Za-z0-9_-]{0,49}$/, 'Names of splits are like train or test-1'),
    z.number().positive().max(1_000_000),
  )
  .refine((splits) => Object.keys(splits).length >= 1 && Object.keys(splits).length <= mostSplits, {
    message: `Expected 1 to ${mostSplits} splits, such as {"train": 80, "test": 20}`,
  })
  .describe(
    'Shares of the splits by name, such as {"train": 80, "test": 20}. The hash of its id assigns an item, so it stays in its split when others come.',
  )

export type Splits = z.output<typeof splitsSchema>
