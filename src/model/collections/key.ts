import { z } from 'zod'
import { labelTextSchema, timestampSchema } from '../names.ts'

export const keySchema = z
  .object({
    id: z.int(),
    collection_id: z.int(),
    collection_name: z.string(),
    collections: z.array(z.string()).describe('Every collection that the key covers.'),
    home_collection: z
      .string()
      .nullable()
      .describe(
        'The collection that is meant where a request with this key names none. Null where it was deleted while the ' +
          'key covers several others, or where the caller does not cover it.',
      ),
    name: z.string(),
    key_prefix: z.string().describe('The first 8 characters.'),
    access_level: z.enum(['READ', 'WRITE']),
    is_active: z.boolean(),
    created_at: timestampSchema,
    created_by_agent_id: z.int().nullable(),
    created_by: z
      .string()
      .nullable()
      .describe('Who made it: `admin` or `api-key:<name> (key <id>)`. Null where it was made before that was noted.'),
    made_by_key_id: z
      .int()
      .nullable()
      .describe('The key that it is ended with by `below=true`: the one that it was made with, or who made that one.'),
    expires_at: timestampSchema.nullable(),
    last_used_at: timestampSchema.nullable(),
  })
  .meta({ id: 'ApiKey' })

export const createdKeySchema = keySchema
  .extend({ api_key: z.string().describe('The key itself: shown here and never again.') })
  .meta({ id: 'CreatedApiKey' })

export const createKeySchema = z
  .object({
    name: labelTextSchema,
    collection_name: z.string(),
    collections: z.array(z.string()).max(100).optional().describe('More collections that the key covers.'),
    access_level: z.enum(['READ', 'WRITE']).default('WRITE'),
    expires_at: z.iso.datetime({ offset: true }).nullish(),
  })
  .meta({ id: 'CreateApiKey' })

export const updateKeySchema = z
  .object({
    name: labelTextSchema,
    is_active: z.boolean(),
    home_collection: z.string().describe('One of the collections that the key covers.'),
  })
  .partial()
  .meta({ id: 'UpdateApiKey' })

export const belowSchema = z
  .enum(['true', 'false'])
  .default('false')
  .describe('With the keys that were made with it, and with those, and so on.')

export type Key = z.infer<typeof keySchema>
