import { z } from 'zod'
import { timestampSchema } from '../names.ts'

export const auditEntrySchema = z
  .object({
    id: z.int(),
    at: timestampSchema,
    collection: z.string().nullable().describe('Null: the change concerns no collection.'),
    actor: z.object({
      kind: z.enum(['admin', 'key']),
      key_id: z.int().nullable(),
      name: z.string().nullable(),
      key_prefix: z.string().nullable(),
    }),
    operation: z.string().describe('The operationId of the call.'),
    target: z.string().describe('What it was made to: the names of the path, with slashes between them.'),
    changes: z.record(z.string(), z.unknown()).describe('What was given, by name; never a secret value.'),
    outcome: z
      .enum(['begun', 'done', 'failed'])
      .describe(
        'Written as begun before anything is changed. One that stays so says that the process died meanwhile, or lost ' +
          'the database: the change may have been made or not. Calls that were refused leave no entry.',
      ),
  })
  .meta({ id: 'AuditEntry' })

export const auditPageSchema = z
  .object({
    entries: z.array(auditEntrySchema),
    next_cursor: z.string().nullable(),
    has_more: z.boolean(),
  })
  .meta({ id: 'AuditPage' })

export type ShownAuditEntry = z.infer<typeof auditEntrySchema>
