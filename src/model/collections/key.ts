import { z } from 'zod'
import { labelTextSchema, timestampSchema } from '../names.ts'

const keyAccessSchema = z.enum(['READ', 'WRITE', 'WORKER'])
export type KeyAccess = z.infer<typeof keyAccessSchema>

export const keySchema = z
  .object({
    id: z.int(),
    collection_id: z.int(),
    collection_name: z.string(),
    collections: z.array(z.string()).describe('Collections that the key covers.'),
    home_collection: z
      .string()
      .nullable()
      .describe(
        'Home collection: the default for requests with this key that name none. Null if it was deleted while the key covers several others, or if the caller does not cover it.',
      ),
    name: z.string(),
    key_prefix: z.string().describe('First 8 characters of the key.'),
    access_level: keyAccessSchema,
    is_active: z.boolean(),
    created_at: timestampSchema,
    created_by_agent_id: z.int().nullable(),
    created_by: z
      .string()
      .nullable()
      .describe('Creator: `admin` or `api-key:<name> (key <id>)`. Null for keys created before the server noted it.'),
    made_by_key_id: z
      .int()
      .nullable()
      .describe(
        "The key whose revocation with `below=true` also revokes this one: its creator, or the creator's creator.",
      ),
    expires_at: timestampSchema.nullable(),
    last_used_at: timestampSchema.nullable(),
  })
  .meta({ id: 'ApiKey' })

export const createdKeySchema = keySchema
  .extend({ api_key: z.string().describe('The key itself. It is shown only in this answer.') })
  .meta({ id: 'CreatedApiKey' })

export const createKeySchema = z
  .object({
    name: labelTextSchema,
    collection_name: z.string(),
    collections: z.array(z.string()).max(100).optional().describe('More collections that the key covers.'),
    access_level: keyAccessSchema
      .default('WRITE')
      .describe('`READ` reads, `WRITE` also runs and changes, `WORKER` only takes jobs as a worker.'),
    expires_at: z.iso.datetime({ offset: true }).nullish(),
  })
  .meta({ id: 'CreateApiKey' })

export const updateKeySchema = z
  .object({
    name: labelTextSchema,
    is_active: z.boolean(),
    home_collection: z.string().describe('One of the collections that the key covers.'),
    expires_at: z.iso
      .datetime({ offset: true })
      .nullable()
      .describe('New expiry; null: none. A key that expires itself can set none that is later than its own.'),
  })
  .partial()
  .meta({ id: 'UpdateApiKey' })

export const belowSchema = z
  .enum(['true', 'false'])
  .default('false')
  .describe('Also revokes the keys created with it, and those created with them, and so on.')

export type Key = z.infer<typeof keySchema>
export type CreateKey = z.output<typeof createKeySchema>
export type UpdateKey = z.output<typeof updateKeySchema>
