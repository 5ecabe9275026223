import { z } from 'zod'
import { endpoint } from '../../http/endpoint.ts'
import { limitSchema, numberCursorSchema } from '../../model/names.ts'
import { allApprovalsSchema, approvalPageSchema, decidedSchema, decisionSchema } from '../../model/runs/approval.ts'

const tag = 'Approvals'

export const approvalsContract = {
  decideApproval: endpoint({
    method: 'POST',
    path: '/api/v1/trajectory/{collection}/{task}/{trajectory_id}/steps/{step}/approval',
    summary:
      'Approve or reject a step that waits for a decision. A step is decided once: later decisions get a 409 with the first one',
    tag,
    collectionMissing: "Trajectory '{trajectory_id}' not found",
    body: decisionSchema,
    response: decidedSchema,
    errors: ['conflict'],
  }),
  listApprovals: endpoint({
    method: 'GET',
    path: '/api/v1/approvals/{collection}',
    summary: 'List the approvals that wait for a decision in a collection, oldest first',
    tag,
    query: z.object({
      limit: limitSchema,
      cursor: numberCursorSchema,
    }),
    response: approvalPageSchema,
  }),
  listAllApprovals: endpoint({
    method: 'GET',
    path: '/api/v1/approvals',
    summary:
      'The approvals of all collections that the token covers: those that wait, oldest first, or decided ones, newest first',
    tag,
    query: z.object({
      state: z.enum(['waiting', 'decided']).default('waiting'),
      limit: limitSchema,
      cursor: z
        .string()
        .regex(/^\d{1,17}(-\d{1,15})?$/, 'Expected the next_cursor of an earlier response, unchanged')
        .optional()
        .describe('`next_cursor` of the previous response.'),
    }),
    response: allApprovalsSchema,
  }),
}
