import { z } from 'zod'
import { endpoint } from '../../http/endpoint.ts'
import { auditPageSchema } from '../../model/collections/audit.ts'
import { limitSchema, momentSchema, numberCursorSchema, textSchema } from '../../model/names.ts'

const tag = 'Server'
const query = z.object({
  limit: limitSchema,
  cursor: numberCursorSchema.describe(
    '`next_cursor` of the previous response. With a filter a page looks at 5,000 entries: it may be short or empty ' +
      'while `has_more` is true. `looked_until` says how far it looked.',
  ),
  operation: z
    .array(textSchema.max(100))
    .max(50)
    .default([])
    .describe('operationId of the call; repeat to include several.'),
  actor: z
    .string()
    .regex(/^(admin|[1-9]\d{0,14})$/, 'Expected admin or the id of a key')
    .optional()
    .describe('Who made the change: `admin`, or the id of a key.'),
  target: textSchema.max(200).optional().describe('Text that the target contains, in any case.'),
  since: momentSchema.optional().describe('Entries from this moment on.'),
  until: momentSchema.optional().describe('Entries before this moment.'),
})

export const auditContract = {
  listAudit: endpoint({
    method: 'GET',
    path: '/api/v1/collections/{collection}/audit',
    summary: 'The audit trail of a collection, newest entry first',
    tag: 'Collections',
    access: 'write',
    query,
    response: auditPageSchema,
  }),
  listServerAudit: endpoint({
    method: 'GET',
    path: '/api/v1/audit',
    summary: 'The audit trail of this server, newest entry first; deleted collections included',
    tag,
    access: 'admin',
    query,
    response: auditPageSchema,
  }),
}
