import { z } from 'zod'
import { jsonObjectSchema, timestampSchema } from '../names.ts'

const version = {
  index: z.int().describe('Version number; 0 is the oldest.'),
  transaction_id: z.int(),
  content_hash: z.string().nullable().describe('SHA-256 of the data as JSON with sorted keys and no spaces.'),
  tags: z.array(z.string()).describe('Tags set on it, and the `version` that the task was saved with.'),
  created_at: timestampSchema.nullable(),
  operation_type: z.enum(['INSERT', 'UPDATE', 'DELETE']).nullable(),
  author: z
    .string()
    .nullable()
    .describe('Who saved it: `admin` or `api-key:<name>`; null for the server itself and for old versions.'),
  note: z.string().nullable().describe('What was changed and why, as given when it was saved.'),
}

/** Content of a task at some time. */
const taskDataSchema = z
  .object({
    name: z.string(),
    entity_type: z.literal('task'),
    is_private: z.boolean(),
    croissant_metadata: jsonObjectSchema.nullable(),
    workflow: jsonObjectSchema.describe('Workflow as stored; the order of keys is kept.'),
    version: z.string().nullable(),
    description: z.string().nullable(),
    has_file_uploads: z.boolean(),
  })
  .meta({ id: 'TaskData' })

export const taskVersionSchema = z.object({ ...version, data: taskDataSchema }).meta({ id: 'TaskVersion' })

export const taskHistorySchema = z
  .object({
    entity_name: z.string(),
    entity_type: z.literal('task'),
    collection_name: z.string(),
    total_versions: z.int(),
    versions: z.array(
      z.object({
        ...version,
        changeset: taskDataSchema.partial().nullable().describe('The non-null fields of the version; only on request.'),
      }),
    ),
  })
  .meta({ id: 'TaskHistory' })

export type TaskVersion = z.output<typeof taskVersionSchema>
