import { z } from 'zod'
import { jsonObjectSchema, textSchema, timestampSchema } from '../names.ts'

/** Activity whose steps wait for a person. */
export const approvalActivity = 'wait_for_approval'

const decision = z.enum(['approve', 'reject', 'fail'])

/** A decision to record. */
export const decisionSchema = z
  .object({
    decision: z.enum(['approve', 'reject']),
    comment: textSchema.max(10_000).nullish().describe('For the record, and for the steps that follow.'),
  })
  .meta({ id: 'Decision' })

const place = {
  trajectory_id: z.string(),
  task: z.string(),
  step: z.string(),
}

/** A recorded decision. */
export const decidedSchema = z
  .object({
    ...place,
    decision: decision.describe('`fail`: nobody decided in time, and the workflow says that it fails then.'),
    comment: z.string().nullable(),
    decided_by: z.string().nullable().describe('`admin` or `api-key:<name>`; null: nobody, it has expired.'),
    decided_at: timestampSchema,
  })
  .meta({ id: 'DecidedApproval' })
export type DecidedApproval = z.infer<typeof decidedSchema>

/** A pending approval. */
export const waitingApprovalSchema = z
  .object({
    ...place,
    workflow_id: z.string(),
    message: z.string(),
    assignees: z.array(z.string()),
    metadata: jsonObjectSchema,
    requested_at: timestampSchema,
    expires_at: timestampSchema.nullable().describe('null: never.'),
    default_decision: decision.describe('What is decided then.'),
    url: z.string().describe('The page of the run.'),
  })
  .meta({ id: 'WaitingApproval' })
export type ShownApproval = z.infer<typeof waitingApprovalSchema>

export const approvalPageSchema = z
  .object({
    approvals: z.array(waitingApprovalSchema),
    next_cursor: z.string().nullable().describe('Pass it as `cursor` to get what comes after.'),
    has_more: z.boolean(),
  })
  .meta({ id: 'ApprovalPage' })
