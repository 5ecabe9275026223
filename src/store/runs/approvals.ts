import type { ApprovalRow, NewDecision } from '../../model/runs/approval-row.ts'
import type { Queries } from '../database/database.ts'
import { identified } from './changes.ts'

export const approvalColumns = `a.run_id, a.seq, a.number, a.step, a.message, a.assignees, a.metadata, a.requested_at, a.expires_at,
  a.by_default, a.decision, a.comment, a.decided_by, a.decided_at`

type NewApproval = Pick<
  ApprovalRow,
  'run_id' | 'seq' | 'step' | 'message' | 'assignees' | 'metadata' | 'expires_at' | 'by_default'
>

/** Stores the approval that a step of an open run waits for; an existing one stays. */
export const requestApproval = async (queries: Queries, approval: NewApproval): Promise<void> => {
  await queries.rows(
    'request_approval',
    `with ${identified}
     insert into approvals (run_id, seq, collection_id, step, message, assignees, metadata, expires_at, by_default)
     select id, $2, collection_id, $3, $4, $5, $6, $7, $8 from runs, identified where id = $1 and ended_at is null
     on conflict (run_id, seq) do nothing`,
    [
      approval.run_id,
      approval.seq,
      approval.step,
      approval.message,
      approval.assignees,
      approval.metadata,
      approval.expires_at,
      approval.by_default,
    ],
  )
}

export const findApproval = async (queries: Queries, runKey: string, seq: number): Promise<ApprovalRow | undefined> =>
  (
    await queries.rows<ApprovalRow>(
      'find_approval',
      `select ${approvalColumns} from approvals a where a.run_id = $1 and a.seq = $2`,
      [runKey, seq],
    )
  )[0]

/**
 * Finds the approval of the step with this name, pending or decided; in a loop that of its latest iteration. `others`
 * are steps of the workflow whose names only look like iterations of it.
 */
export const findApprovalOfStep = async (
  queries: Queries,
  runKey: string,
  step: string,
  others: string[],
): Promise<ApprovalRow | undefined> =>
  (
    await queries.rows<ApprovalRow>(
      'find_approval_of_step',
      `select ${approvalColumns} from approvals a
       where a.run_id = $1
         and (a.step = $2 or a.step <> all($3) and starts_with(a.step, $2 || '__')
           and substr(a.step, length($2) + 3) ~ '^[0-9]+$')
       order by a.seq desc limit 1`,
      [runKey, step, others],
    )
  )[0]

/**
 * Records a decision once; undefined when it is already decided or the run has ended. Locks the run's row first and
 * notes there which step was decided last. Parking takes the same lock, so whichever comes second sees what the first
 * wrote to that row; of any other row its snapshot would show the past.
 */
export const decideApproval = async (queries: Queries, given: NewDecision): Promise<ApprovalRow | undefined> => {
  const [row] = await queries.rows<ApprovalRow>(
    'decide_approval',
    `with run as materialized (select id from runs where id = $1 and ended_at is null for no key update),
     decided as (
       update approvals a set decision = $3, comment = $4, decided_by = $5, decided_at = now(), changed = nextval('changes')
       from run where a.run_id = run.id and a.seq = $2 and a.decision is null
       returning ${approvalColumns}),
     woken as (
       update runs r set decided_seq = $2, wake_at = case when r.lease is null then now() else r.wake_at end
       from decided where r.id = decided.run_id
       returning pg_notify(channel('decisions'), r.id))
     select decided.* from decided, woken`,
    [given.runKey, given.seq, given.decision, given.comment, given.decidedBy],
  )
  return row
}

/** Withdraws a pending approval whose step has ended without a decision. */
export const withdrawApproval = async (queries: Queries, runKey: string, seq: number): Promise<void> => {
  await queries.rows('withdraw_approval', 'delete from approvals where run_id = $1 and seq = $2 and decision is null', [
    runKey,
    seq,
  ])
}

/** An approval with the names of its run. */
export interface ApprovalOfRun extends ApprovalRow {
  trajectory_id: string
  workflow_id: string
  /** `collection/task`. */
  name: string
}

/** Lists pending approvals of a collection after a number, oldest first. */
export const waitingApprovals = (
  queries: Queries,
  collectionId: number,
  page: { after: number; limit: number },
): Promise<ApprovalOfRun[]> =>
  queries.rows<ApprovalOfRun>(
    'waiting_approvals',
    `select ${approvalColumns}, r.trajectory_id, r.workflow_id, r.name
     from approvals a join runs r on r.id = a.run_id and r.ended_at is null
     where a.collection_id = $1 and a.number > $2 and a.decision is null order by a.number limit $3`,
    [collectionId, page.after, page.limit],
  )
