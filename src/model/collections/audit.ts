import { z } from 'zod'
import { timestampSchema } from '../names.ts'

export const auditEntrySchema = z
  .object({
    id: z.int(),
    at: timestampSchema,
    collection: z.string().nullable().describe('Collection that the change concerns; null if it concerns none.'),
    actor: z.object({
      kind: z.enum(['admin', 'key']),
      key_id: z.int().nullable(),
      name: z.string().nullable(),
      key_prefix: z.string().nullable(),
    }),
    operation: z.string().describe('operationId of the call.'),
    target: z.string().describe('Target of the change: the names in the path, joined by slashes.'),
    changes: z.record(z.string(), z.unknown()).describe('Parameters of the call, by name; secret values are left out.'),
    outcome: z
      .enum(['begun', 'done', 'failed'])
      .describe(
        '`begun` is written before anything changes. An entry that stays `begun` means that the process died or lost the database meanwhile, so the change may or may not have been made. Refused calls leave no entry.',
      ),
  })
  .meta({ id: 'AuditEntry' })

export const auditPageSchema = z
  .object({
    entries: z.array(auditEntrySchema),
    next_cursor: z.string().nullable(),
    has_more: z.boolean(),
    looked_until: timestampSchema
      .nullable()
      .describe('Time of the last entry that was looked at; null when there are no older ones.'),
  })
  .meta({ id: 'AuditPage' })

export type ShownAuditEntry = z.infer<typeof auditEntrySchema>
