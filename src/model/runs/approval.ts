import { z } from 'zod'
import { jsonObjectSchema, textSchema, timestampSchema } from '../names.ts'

/** Activity whose steps wait for a person. */
export const approvalActivity = 'wait_for_approval'

const decision = z.enum(['approve', 'reject', 'fail'])

/** A decision to record. */
export const decisionSchema = z
  .object({
    decision: z.enum(['approve', 'reject']),
    comment: textSchema.max(10_000).nullish().describe('Comment for the record and for later steps.'),
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
    decision: decision.describe('`fail`: it expired undecided, and the workflow makes the step fail.'),
    comment: z.string().nullable(),
    decided_by: z.string().nullable().describe('Who decided: `admin` or `api-key:<name>`; null if it expired.'),
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
    default_decision: decision.describe('Decision on expiry.'),
    url: z.string().describe("URL of the run's page."),
  })
  .meta({ id: 'WaitingApproval' })
export type ShownApproval = z.infer<typeof waitingApprovalSchema>

/** An approval in the list over all collections: pending or decided. */
const listedApprovalSchema = waitingApprovalSchema
  .extend({
    collection: z.string(),
    state: z.enum(['waiting', 'decided']),
    decision: decision.nullable().describe('null: it waits. `fail`: nobody decided in time.'),
    comment: z.string().nullable(),
    decided_by: z.string().nullable(),
    decided_at: timestampSchema.nullable(),
  })
  .meta({ id: 'ListedApproval' })
export type ListedApproval = z.infer<typeof listedApprovalSchema>

export const allApprovalsSchema = z
  .object({
    approvals: z.array(listedApprovalSchema),
    total: z.int().nullable().describe('Approvals in this state; null: more than 10,000.'),
    next_cursor: z.string().nullable().describe('Pass it as `cursor` to get what comes after.'),
    has_more: z.boolean(),
  })
  .meta({ id: 'AllApprovals' })

export const approvalPageSchema = z
  .object({
    approvals: z.array(waitingApprovalSchema),
    next_cursor: z.string().nullable().describe('Pass as `cursor` to get the next page.'),
    has_more: z.boolean(),
  })
  .meta({ id: 'ApprovalPage' })
