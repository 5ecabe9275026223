import type { Queries } from '../../database/database.ts'
import type { ApprovalRow, NewDecision } from '../../model/runs/approval-row.ts'

const columns = `a.run_id, a.seq, a.number, a.step, a.message, a.assignees, a.metadata, a.requested_at, a.expires_at,
  a.by_default, a.decision, a.comment, a.decided_by, a.decided_at`

export type NewApproval = Pick<
  ApprovalRow,
  'run_id' | 'seq' | 'step' | 'message' | 'assignees' | 'metadata' | 'expires_at' | 'by_default'
>

/** Writes down what a step of an open run waits for; what stands there already stays. */
export const requestApproval = async (queries: Queries, approval: NewApproval): Promise<void> => {
  await queries.rows(
    'request_approval',
    `insert into approvals (run_id, seq, collection_id, step, message, assignees, metadata, expires_at, by_default)
     select id, $2, collection_id, $3, $4, $5, $6, $7, $8 from runs where id = $1 and ended_at is null
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
      `select ${columns} from approvals a where a.run_id = $1 and a.seq = $2`,
      [runKey, seq],
    )
  )[0]

/**
 * What the step of this name waits for, or has waited for: of one in a loop, in its latest turn. `others` are the steps of
 * the workflow that only look like its turns.
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
      `select ${columns} from approvals a
       where a.run_id = $1
         and (a.step = $2 or a.step <> all($3) and starts_with(a.step, $2 || '__')
           and substr(a.step, length($2) + 3) ~ '^[0-9]+$')
       order by a.seq desc limit 1`,
      [runKey, step, others],
    )
  )[0]

/**
 * Decides, once; undefined where it is decided, or the run has ended. The run's row is locked first, and says which of
 * its steps was decided last: a run that is being parked at this moment waits for the lock, or we for it, and whoever
 * comes second sees what the first has written to that row. Of any other row it would see the past.
 */
export const decideApproval = async (queries: Queries, given: NewDecision): Promise<ApprovalRow | undefined> => {
  const [row] = await queries.rows<ApprovalRow>(
    'decide_approval',
    `with run as materialized (select id from runs where id = $1 and ended_at is null for no key update),
     decided as (
       update approvals a set decision = $3, comment = $4, decided_by = $5, decided_at = now()
       from run where a.run_id = run.id and a.seq = $2 and a.decision is null
       returning ${columns}),
     woken as (
       update runs r set decided_seq = $2, wake_at = case when r.lease is null then now() else r.wake_at end
       from decided where r.id = decided.run_id
       returning pg_notify(channel('decisions'), r.id))
     select decided.* from decided, woken`,
    [given.runKey, given.seq, given.decision, given.comment, given.decidedBy],
  )
  return row
}

/** Nobody can decide it any more: its step has ended without. */
export const withdrawApproval = async (queries: Queries, runKey: string, seq: number): Promise<void> => {
  await queries.rows('withdraw_approval', 'delete from approvals where run_id = $1 and seq = $2 and decision is null', [
    runKey,
    seq,
  ])
}

export interface WaitingApproval extends ApprovalRow {
  trajectory_id: string
  workflow_id: string
  /** `collection/task`. */
  name: string
}

/** What waits for a decision in a collection, oldest first, after the given number. */
export const waitingApprovals = (
  queries: Queries,
  collectionId: number,
  page: { after: number; limit: number },
): Promise<WaitingApproval[]> =>
  queries.rows<WaitingApproval>(
    'waiting_approvals',
    `select ${columns}, r.trajectory_id, r.workflow_id, r.name
     from approvals a join runs r on r.id = a.run_id and r.ended_at is null
     where a.collection_id = $1 and a.number > $2 and a.decision is null order by a.number limit $3`,
    [collectionId, page.after, page.limit],
  )
