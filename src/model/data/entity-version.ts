import { z } from 'zod'
import { flagSchema } from '../flag.ts'
import { jsonObjectSchema, skipSchema, timestampSchema } from '../names.ts'

const version = {
  index: z.int().describe('Version number; 0 is the oldest.'),
  transaction_id: z.int(),
  content_hash: z.string().describe('SHA-256 of the data as JSON with sorted keys and no spaces.'),
  tags: z.array(z.string()).describe('Tags set on it, and the `metadata_version` that it was saved with.'),
  created_at: timestampSchema,
  operation_type: z.enum(['INSERT', 'UPDATE']),
  author: z
    .string()
    .nullable()
    .describe('Who saved it: `admin`, `api-key:<name>`, or `run:<trajectory id>` for a step.'),
}

export const historyQuerySchema = z.object({
  skip: skipSchema,
  limit: z.coerce.number().int().min(1).max(100).default(50),
  include_changeset: flagSchema,
})

export const entityHistorySchema = z
  .object({
    entity_name: z.string(),
    entity_type: z.enum(['dataset', 'trained_model']),
    collection_name: z.string(),
    total_versions: z.int(),
    versions: z.array(
      z.object({
        ...version,
        changeset: jsonObjectSchema.nullable().describe('The non-null fields of the version; only on request.'),
      }),
    ),
  })
  .meta({ id: 'EntityHistory' })

export const entityVersionSchema = z
  .object({
    ...version,
    data: jsonObjectSchema.describe(
      'The fields of that version. A dataset with items has their number and hash in `items`.',
    ),
  })
  .meta({ id: 'EntityVersion' })
