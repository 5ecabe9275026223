import type { Decision, DecisionRequest, Expiry } from '../../activities/activity.ts'
import { now, timestamp, timestampOrNull } from '../../lib/time.ts'
import type { ApprovalRow } from '../../model/runs/decision.ts'
import type { StepLog } from '../../model/runs/step.ts'
import type { Queries } from '../../store/database/database.ts'
import { decideApproval, findApproval, requestApproval, withdrawApproval } from '../../store/runs/approvals.ts'
import { storable } from '../journal/journal-entry.ts'
import type { DecidedStep, StepAtWork } from '../steps/step-at-work.ts'
import { type AnswerDeps, tellOnce, waitForAnswer } from './answer.ts'

/**
 * Reads the decision about a step; undefined while it may still wait. An expiry is a decision too, so a person who
 * decides at that moment comes either before or after it. Adds the event to the step's log.
 */
export const readDecision = async (
  { database }: Pick<AnswerDeps, 'database'>,
  { run, seq, side }: DecidedStep,
  expiry: Expiry | null,
): Promise<Decision | undefined> => {
  const asked = await findApproval(database, run.key, seq)
  if (!asked) return undefined
  const isOver = asked.decision === null && expiry !== null && expiry.at.getTime() <= now()
  const decided = isOver ? await expire(database, run.key, seq, expiry) : asked
  tellOnce(side, decisionEvents(decided ?? asked))
  if (!decided?.decision || !decided.decided_at) return undefined
  const { decision, comment, decided_by, decided_at } = decided
  return { decision, comment, decided_by, decided_at }
}

const expire = async (database: Queries, runKey: string, seq: number, { decision }: Expiry) =>
  (await decideApproval(database, { runKey, seq, decision, comment: null, decidedBy: null })) ??
  (await findApproval(database, runKey, seq)) // a person was quicker

/** Asks for a decision, and waits for it. The run leaves memory if possible, however short the wait may be. */
export const waitForDecision = async (
  deps: AnswerDeps,
  work: StepAtWork,
  asked: DecisionRequest,
): Promise<'again' | 'parked' | 'released'> => {
  const { run, row, side } = work
  const { scrub } = run.environment
  const due = asked.expiry?.at.getTime()
  await requestApproval(deps.database, {
    run_id: run.key,
    seq: row.seq,
    step: row.name,
    message: storable(scrub.text(asked.message)) ?? '',
    assignees: scrub.json(asked.assignees),
    metadata: scrub.json(asked.metadata),
    expires_at: asked.expiry?.at ?? null,
    by_default: asked.expiry?.decision ?? 'fail',
  })
  const approval = await findApproval(deps.database, run.key, row.seq)
  if (approval) tellOnce(side, decisionEvents(approval))
  return waitForAnswer(deps, work, { dueMs: due, withdraw: () => withdrawApproval(deps.database, run.key, row.seq) })
}

/** Log messages of a wait: that it began, and how it ended. */
const decisionEvents = (approval: ApprovalRow): StepLog[] => {
  const { step, message, decision, decided_at } = approval
  const requested: StepLog = {
    timestamp: timestamp(approval.requested_at),
    level: 'info',
    type: 'approval_requested',
    message: `Step '${step}' waits for a decision: ${message}`,
    attributes: {
      assignees: JSON.parse(approval.assignees) as unknown,
      expires_at: timestampOrNull(approval.expires_at),
    },
  }
  if (!decision || !decided_at) return [requested]
  const { decided_by, comment } = approval
  const how = decided_by === null ? 'Nobody decided in time' : `${decided_by} decided`
  return [
    requested,
    {
      timestamp: timestamp(decided_at),
      level: 'info',
      type: 'approval_decided',
      message: `${how} about step '${step}': ${decision}${comment ? ` (${comment})` : ''}`,
      attributes: { decision, comment, decided_by },
    },
  ]
}
