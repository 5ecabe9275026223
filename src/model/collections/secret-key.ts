import { z } from 'zod'

/**
 * Progress of a rotation of the encryption key, and the next step. Ids are the first 8 hex digits of a key's SHA-256.
 */
export const secretKeyRotationSchema = z
  .object({
    current_key_id: z.string().describe('Key that encrypts everything new.'),
    state: z
      .enum(['idle', 'running', 'done', 'failed'])
      .describe('State of the latest rotation to this key; `idle`: there was none.'),
    total: z.number().int().describe('Encrypted texts that had an older key when the rotation began.'),
    resealed: z.number().int(),
    remaining: z.number().int().describe('Encrypted texts that still have an older key.'),
    error: z.string().nullable(),
    older_keys_in_use: z.array(z.string()).describe('Keys that are still needed to decrypt something.'),
    next_step: z.string().describe('Next step for the operator.'),
  })
  .meta({ id: 'SecretKeyRotation' })

export type SecretKeyRotation = z.infer<typeof secretKeyRotationSchema>
