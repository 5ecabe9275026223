import type { ApprovalRow, Decision, NewDecision } from '../../model/runs/decision.ts'
import {
  bigint,
  change,
  int,
  moment,
  orNull,
  pick,
  query,
  queryOne,
  type Row,
  table,
  text,
  textOf,
  valuesOf,
} from '../database/table.ts'
import { lockedRun, wakeRunsOf } from './answers.ts'
import { identified } from './changes.ts'
import { runs } from './runs.ts'

export const approvals = table('approvals', {
  run_id: text,
  seq: int,
  number: bigint,
  step: text,
  message: text,
  /** JSON text: a list of names. */
  assignees: text,
  /** JSON text: an object. */
  metadata: text,
  requested_at: moment,
  expires_at: orNull(moment),
  by_default: textOf<Decision['decision']>(),
  /** Null while the step waits. */
  decision: orNull(textOf<Decision['decision']>()),
  comment: orNull(text),
  /** Null when the default decision was taken at the expiry. */
  decided_by: orNull(text),
  decided_at: orNull(moment),
})
export const approvalColumns = approvals.of('a')

const requested = ['run_id', 'seq', 'step', 'message', 'assignees', 'metadata', 'expires_at', 'by_default'] as const
type NewApproval = Pick<ApprovalRow, (typeof requested)[number]>

/** Stores the approval that a step of an open run waits for; an existing one stays. */
export const requestApproval = change(
  'request_approval',
  `with ${identified}
     insert into approvals (run_id, seq, collection_id, step, message, assignees, metadata, expires_at, by_default)
     select id, $2, collection_id, $3, $4, $5, $6, $7, $8 from runs, identified where id = $1 and ended_at is null
     on conflict (run_id, seq) do nothing`,
  (approval: NewApproval) => valuesOf(requested, approval),
)

export const findApproval = queryOne(
  'find_approval',
  approvals.columns,
  `select ${approvalColumns} from approvals a where a.run_id = $1 and a.seq = $2`,
  (runKey: string, seq: number) => [runKey, seq],
)

/**
 * Finds the approval of the step with this name, pending or decided; in a loop that of its latest iteration. `others`
 * are steps of the workflow whose names only look like iterations of it.
 */
export const findApprovalOfStep = queryOne(
  'find_approval_of_step',
  approvals.columns,
  `select ${approvalColumns} from approvals a
       where a.run_id = $1
         and (a.step = $2 or a.step <> all($3) and starts_with(a.step, $2 || '__')
           and substr(a.step, length($2) + 3) ~ '^[0-9]+$')
       order by a.seq desc limit 1`,
  (runKey: string, step: string, others: string[]) => [runKey, step, others],
)

/** Records a decision once, and wakes the run; undefined when it is already decided or the run has ended. */
export const decideApproval = queryOne(
  'decide_approval',
  approvals.columns,
  `with ${lockedRun},
     decided as (
       update approvals a set decision = $3, comment = $4, decided_by = $5, decided_at = now(), changed = nextval('changes')
       from run where a.run_id = run.id and a.seq = $2 and a.decision is null
       returning ${approvalColumns}),
     ${wakeRunsOf('decided')}
     select decided.* from decided, woken`,
  (given: NewDecision) => [given.runKey, given.seq, given.decision, given.comment, given.decidedBy],
)

/** Withdraws a pending approval whose step has ended without a decision. */
export const withdrawApproval = change(
  'withdraw_approval',
  'delete from approvals where run_id = $1 and seq = $2 and decision is null',
  (runKey: string, seq: number) => [runKey, seq],
)

/** An approval with the names of its run; `name` is `collection/task`. */
export const approvalOfRun = { ...approvals.columns, ...pick(runs.columns, ['trajectory_id', 'workflow_id', 'name']) }
export type ApprovalOfRun = Row<typeof approvalOfRun>

/** Lists pending approvals of a collection after a number, oldest first. */
export const waitingApprovals = query(
  'waiting_approvals',
  approvalOfRun,
  `select ${approvalColumns}, r.trajectory_id, r.workflow_id, r.name
     from approvals a join runs r on r.id = a.run_id and r.ended_at is null
     where a.collection_id = $1 and a.number > $2 and a.decision is null order by a.number limit $3`,
  (collectionId: number, page: { after: number; limit: number }) => [collectionId, page.after, page.limit],
)
