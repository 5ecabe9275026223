import { z } from 'zod'
import { endpoint } from '../../http/endpoint.ts'
import { auditPageSchema } from '../../model/collections/audit.ts'
import { limitSchema } from '../../model/names.ts'

const tag = 'Server'
const query = z.object({
  limit: limitSchema,
  cursor: z
    .string()
    .regex(/^\d{1,15}$/, 'Expected the next_cursor of an earlier response, unchanged')
    .optional()
    .describe('`next_cursor` of the previous response.'),
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
