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
import type { ApprovalRow } from '../../model/runs/decision.ts'
import type { StepLog } from '../../model/runs/step.ts'
import { WaitForJob } from '../../model/workers/worker-job-request.ts'
import type { Queries } from '../../store/database/database.ts'
import { decideApproval, findApproval, requestApproval, withdrawApproval } from '../../store/runs/approvals.ts'
import { withdrawJob } from '../../store/workers/jobs.ts'
import { storable } from '../journal/journal-entry.ts'
import { Interrupted } from '../steps/execute.ts'
import type { DecidedStep, StepAtWork, StepDeps } from '../steps/step-at-work.ts'
import type { JobWatches } from '../workers/job-watches.ts'
import { type AnswerDeps, tellOnce, waitForAnswer } from './answer.ts'
import { awaitEvent, readEvent } from './event.ts'
import { mayPark, type ParkDeps, park, waitUntil } from './park.ts'

interface JobWaitDeps extends ParkDeps {
  database: Queries
  jobs: JobWatches
}

/** A step stays in memory for so long: parking a run and taking it up again costs more than most jobs take. */
const parkAfterMs = 5_000
/** Due time of a job: a step that waits always has one, so that no death is counted for it. */
const farAwayMs = Date.UTC(9999, 0)

type Outcome = 'settled' | 'late' | 'interrupted'

/** Waits for a worker, without a slot. After some seconds the run leaves memory, and comes back with the result. */
const waitForJob = async (
  { database, jobs, stopping, journal }: JobWaitDeps,
  work: StepAtWork,
): Promise<'again' | 'parked' | 'released'> => {
  const { run, row, startRow } = work
  row.wakeMs = farAwayMs
  let end = (_outcome: Outcome) => {}
  const over = new Promise<Outcome>((resolve) => {
    end = resolve
  })
  const unwatch = jobs.watch({ runKey: run.key, seq: row.seq, tell: () => end('settled') })
  const interrupt = () => end('interrupted')
  run.interrupts.add(interrupt)
  const timer = setInterval(() => mayPark(run) && end('late'), parkAfterMs)
  startRow.writeSoon()
  if (run.requested || run.failure || stopping.aborted) interrupt()
  const outcome = await over
  clearInterval(timer)
  startRow.cancel()
  run.interrupts.delete(interrupt)
  unwatch()
  if (outcome === 'settled') return 'again'
  if (outcome === 'late') return park({ journal, stopping }, work, null)
  if (!run.requested && !run.failure) return 'released'
  await withdrawJob(database, run.key, row.seq)
  throw new Interrupted(row.name)
}

/**
 * Reads the decision about a step; undefined while it may still wait. An expiry is a decision too, so a person who
 * decides at that moment comes either before or after it. Adds the event to the step's log.
 */
const readDecision = async (
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
const waitForDecision = async (
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

/** The ways in which a step waits. */
export type Waits = Pick<StepDeps, 'waitOut' | 'readDecision' | 'readEvent'>

interface WaitDeps extends AnswerDeps, JobWaitDeps {
  /** Starts child runs and waits for them. */
  waitForRuns(work: StepAtWork, wanted: WaitForRuns): Promise<Record<string, unknown> | FailedWith | 'released'>
}

export const makeWaits = (deps: WaitDeps): Waits => ({
  async waitOut(work, wanted) {
    if (wanted instanceof WaitUntil) {
      const waited = await waitUntil(deps, work, wanted.until)
      return waited === 'over' ? wanted.outputs : waited
    }
    if (wanted instanceof WaitForDecision) return waitForDecision(deps, work, wanted.asked)
    if (wanted instanceof WaitForJob) return waitForJob(deps, work)
    if (wanted instanceof WaitForEvent) return awaitEvent(deps, work, wanted.asked)
    const waited = await deps.waitForRuns(work, wanted)
    if (!wanted.again || waited === 'released' || waited instanceof FailedWith) return waited
    work.row.wakeMs = null
    return 'again'
  },
  readDecision: (step, expiry) => readDecision(deps, step, expiry),
  readEvent: (step, expiresAt) => readEvent(deps, step, expiresAt),
})
