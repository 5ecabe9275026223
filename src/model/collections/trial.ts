import { z } from 'zod'
import { timestampSchema } from '../names.ts'

/** The rest of the trial after a run on lent keys, in the answers that start the run and report its end. */
export const trialLeftSchema = z
  .object({
    runs_used: z.int(),
    runs_limit: z.int(),
    runs_remaining: z.int(),
    minutes_remaining: z.int(),
  })
  .meta({ id: 'TrialLeft' })

/** A collection's trial of the server's keys, and how much of it is used. */
export const trialSchema = z
  .object({
    active: z.boolean(),
    status: z.enum(['inactive', 'active', 'exhausted', 'expired', 'unavailable']),
    ...trialLeftSchema.shape,
    minutes_used: z.int().describe('Minutes used, rounded down: the sum over all runs, from acceptance to end.'),
    minutes_limit: z.int(),
    activated_at: timestampSchema.nullable(),
    expires_at: timestampSchema.nullable(),
    providers: z.array(z.string()).describe('Names of the provider keys that the server can lend.'),
  })
  .meta({ id: 'Trial' })

export type TrialLeft = z.infer<typeof trialLeftSchema>
export type Trial = z.infer<typeof trialSchema>

/** Value that a run sees for a lent key: useless wherever it is sent. */
export const lentKeyPlaceholder = 'a-key-that-this-server-lends'

/** Provider keys that the server lends to trials: read once from its own environment, never shown. */
export interface LentKeys {
  names: readonly string[]
  /** The key itself, for the header of a provider call and for scrubbing. */
  value(name: string): string | undefined
  /** Lent keys that an environment lacks: it has neither that variable nor another key of the same provider. */
  missingIn(env: (name: string) => string | undefined): string[]
}

/** For a server that lends nothing. */
export const noLentKeys: LentKeys = { names: [], value: () => undefined, missingIn: () => [] }
