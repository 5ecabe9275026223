import {
  type Decision,
  type DecisionRequest,
  type Expiry,
  FailedWith,
  WaitForDecision,
  type WaitForRuns,
  WaitUntil,
} from '../../activities/activity.ts'
import { now, timestamp, timestampOrNull } from '../../lib/time.ts'
import { WaitForEvent } from '../../model/events/awaited-event.ts'
import { WaitForBatch } from '../../model/gateway/collected-call.ts'
import type { ApprovalRow } from '../../model/runs/decision.ts'
import type { StepLog } from '../../model/runs/step.ts'
import { WaitForJob } from '../../model/workers/worker-job-request.ts'
import { beginBatchWait, withdrawCalls } from '../../store/calls/batched-calls.ts'
import type { Queries } from '../../store/database/database.ts'
import { decideApproval, findApproval, requestApproval, withdrawApproval } from '../../store/runs/approvals.ts'
import { withdrawJob } from '../../store/workers/jobs.ts'
import { storable } from '../journal/journal-entry.ts'
import type { DecidedStep, StepAtWork, StepDeps } from '../steps/step-at-work.ts'
import { type AnswerDeps, type AskedRow, readAnswer, waitForAnswer, waitForRow } from './answer.ts'
import { awaitEvent, readEvent } from './event.ts'

/** The request of a step for a decision. An expiry is a decision too. */
const approvalOf = (
  database: Queries,
  { runKey, seq }: { runKey: string; seq: number },
  expiry: Expiry | null,
): AskedRow<ApprovalRow> => ({
  table: 'approvals',
  find: () => findApproval(database, runKey, seq),
  isOpen: ({ decision }) => decision === null,
  expire: async () =>
    expiry
      ? decideApproval(database, { runKey, seq, decision: expiry.decision, comment: null, decidedBy: null })
      : undefined,
  withdraw: () => withdrawApproval(database, runKey, seq),
  messages: decisionEvents,
})

/** Reads the decision about a step; undefined while it may still wait. */
const readDecision = async (
  database: Queries,
  { run, seq, side }: DecidedStep,
  expiry: Expiry | null,
): Promise<Decision | undefined> => {
  const decided = await readAnswer(approvalOf(database, { runKey: run.key, seq }, expiry), side, expiry?.at ?? null)
  if (!decided?.decision || !decided.decided_at) return undefined
  const { decision, comment, decided_by, decided_at } = decided
  return { decision, comment, decided_by, decided_at }
}

/** Asks for a decision, and waits for it. */
const waitForDecision = async (
  deps: AnswerDeps,
  work: StepAtWork,
  asked: DecisionRequest,
): Promise<'again' | 'parked' | 'released'> => {
  const { run, row } = work
  const { scrub } = run.environment
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
  return waitForRow(deps, work, approvalOf(deps.database, row, asked.expiry), asked.expiry?.at ?? null)
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

/** The ways in which a step waits. */
export type Waits = Pick<StepDeps, 'waitOut' | 'readDecision' | 'readEvent'>

interface WaitDeps extends AnswerDeps {
  /** Starts child runs and waits for them. */
  waitForRuns(work: StepAtWork, wanted: WaitForRuns): Promise<Record<string, unknown> | FailedWith | 'released'>
}

/** A shorter sleep stays in memory. */
const parkFromMs = 60_000
/** Most jobs of workers are settled sooner. */
const parkAfterMs = 5_000

export const makeWaits = (deps: WaitDeps): Waits => ({
  async waitOut(work, wanted) {
    if (wanted instanceof WaitUntil) {
      const dueMs = wanted.until.getTime()
      const waited = await waitForAnswer(deps, work, { dueMs, isLong: () => dueMs - now() >= parkFromMs })
      return waited === 'again' ? wanted.outputs : waited
    }
    if (wanted instanceof WaitForDecision) return waitForDecision(deps, work, wanted.asked)
    if (wanted instanceof WaitForEvent) return awaitEvent(deps, work, wanted.asked)
    if (wanted instanceof WaitForJob) {
      const begun = performance.now()
      return waitForAnswer(deps, work, {
        isLong: () => performance.now() - begun >= parkAfterMs,
        asked: { table: 'worker_jobs', withdraw: () => withdrawJob(deps.database, work.run.key, work.row.seq) },
      })
    }
    if (wanted instanceof WaitForBatch) {
      const { database } = deps
      const { run, row } = work
      if (!(await beginBatchWait(database, run.key, row.seq))) return 'again'
      return waitForAnswer(deps, work, {
        asked: { table: 'batched_calls', withdraw: () => withdrawCalls(database, run.key, row.seq) },
      })
    }
    const waited = await deps.waitForRuns(work, wanted)
    if (!wanted.again || waited === 'released' || waited instanceof FailedWith) return waited
    work.row.wakeMs = null
    return 'again'
  },
  readDecision: (step, expiry) => readDecision(deps.database, step, expiry),
  readEvent: (step, expiresAt) => readEvent(deps.database, step, expiresAt),
})
