import { z } from 'zod'

/**
 * Progress of a rotation of the encryption key, and the next step. Ids are the first 8 hex digits of a key's SHA-256.
 */
export const secretKeyRotationSchema = z
  .object({
    current_key_id: z.string().describe('The key that everything new is sealed with.'),
    state: z
      .enum(['idle', 'running', 'done', 'failed'])
      .describe('Of the latest change to this key; `idle`: there was none.'),
    total: z.number().int().describe('Sealed texts that had an older key when it began.'),
    resealed: z.number().int(),
    remaining: z.number().int().describe('Sealed texts that have an older key right now.'),
    error: z.string().nullable(),
    older_keys_in_use: z.array(z.string()).describe('Keys that must not be thrown away yet.'),
    next_step: z.string().describe('What to do now, for a person.'),
  })
  .meta({ id: 'SecretKeyRotation' })

export type SecretKeyRotation = z.infer<typeof secretKeyRotationSchema>
