import { z } from 'zod'
import { timestampSchema } from '../names.ts'

/** What a run on lent keys has left of the trial: in the answer that starts it, or tells its end. */
export const trialLeftSchema = z
  .object({
    runs_used: z.int(),
    runs_limit: z.int(),
    runs_remaining: z.int(),
    minutes_remaining: z.int(),
  })
  .meta({ id: 'TrialLeft' })

/** What a collection may use of the keys that the server lends, and how much of it is used. */
export const trialSchema = z
  .object({
    active: z.boolean(),
    status: z.enum(['inactive', 'active', 'exhausted', 'expired', 'unavailable']),
    ...trialLeftSchema.shape,
    minutes_used: z.int().describe('Whole minutes, from the acceptance of a run to its end.'),
    minutes_limit: z.int(),
    activated_at: timestampSchema.nullable(),
    expires_at: timestampSchema.nullable(),
    providers: z.array(z.string()).describe('Names of the keys that the server can lend.'),
  })
  .meta({ id: 'Trial' })

export type TrialLeft = z.infer<typeof trialLeftSchema>
export type Trial = z.infer<typeof trialSchema>

/** What a run finds under the name of a lent key: it opens nothing, wherever it is sent. */
export const lentKeyPlaceholder = 'a-key-that-this-server-lends'

/** The keys of model providers that the server lends to trials: read once from its own environment, never shown. */
export interface LentKeys {
  names: readonly string[]
  /** The key itself: for the header of a call to its provider, and to be struck out of what is recorded. */
  value(name: string): string | undefined
  /** Those that an environment lacks: it has neither a value of that name nor another key of the same provider. */
  missingIn(env: (name: string) => string | undefined): string[]
}

/** For a server that lends nothing. */
export const noLentKeys: LentKeys = { names: [], value: () => undefined, missingIn: () => [] }
