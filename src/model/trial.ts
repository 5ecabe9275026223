import { z } from 'zod'
import { timestampSchema } from './names.ts'

/** What a collection may use of the keys that the server lends, and how much of it is used. */
export const trialSchema = z
  .object({
    active: z.boolean(),
    status: z.enum(['inactive', 'active', 'exhausted', 'expired', 'unavailable']),
    runs_used: z.int(),
    runs_limit: z.int(),
    runs_remaining: z.int(),
    minutes_used: z.int(),
    minutes_limit: z.int(),
    minutes_remaining: z.int(),
    activated_at: timestampSchema.nullable(),
    expires_at: timestampSchema.nullable(),
    providers: z.array(z.string()).describe('Names of the keys that the server can lend.'),
  })
  .meta({ id: 'Trial' })

export type Trial = z.infer<typeof trialSchema>

/** Where no trial was ever activated: nothing is used, and nothing may be. */
export const inactiveTrial: Trial = {
  active: false,
  status: 'inactive',
  runs_used: 0,
  runs_limit: 10,
  runs_remaining: 0,
  minutes_used: 0,
  minutes_limit: 60,
  minutes_remaining: 0,
  activated_at: null,
  expires_at: null,
  providers: [],
}
