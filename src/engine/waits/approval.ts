import type { AskedDecision, Decision, Expiry } from '../../activities/activity.ts'
import { longestTimerMs, now, timestamp, timestampOrNull } from '../../lib/time.ts'
import type { ApprovalRow } from '../../model/runs/approval-row.ts'
import type { StepLog } from '../../model/runs/step.ts'
import { decideApproval, findApproval, requestApproval, withdrawApproval } from '../../store/runs/approvals.ts'
import type { EngineContext, LiveRun } from '../context.ts'
import { storable } from '../journal/journal-entry.ts'
import type { StepSide } from '../steps/activity-context.ts'
import { Interrupted } from '../steps/execute.ts'
import type { StepAtWork } from '../steps/step.ts'
import { mayPark, park } from './park.ts'

/** A step that waits says until when, so that no death is counted for it: this is when a decision without expiry is due. */
const farAwayMs = Date.UTC(9999, 0)

/**
 * What was decided about a step; undefined while it may still wait. An expiry is a decision like any other: whoever
 * decides at that moment comes before it or after it. What happened so far is told in the events of the step.
 */
export const readDecision = async (
  engine: EngineContext,
  { run, seq, side }: { run: LiveRun; seq: number; side: StepSide },
  expiry: Expiry | null,
): Promise<Decision | undefined> => {
  const asked = await findApproval(engine.database, run.key, seq)
  if (!asked) return undefined
  const isOver = asked.decision === null && expiry !== null && expiry.at.getTime() <= now()
  const decided = isOver ? await expire(engine, run.key, seq, expiry) : asked
  tell(side, decided ?? asked)
  if (!decided?.decision || !decided.decided_at) return undefined
  const { decision, comment, decided_by, decided_at } = decided
  return { decision, comment, decided_by, decided_at }
}

const expire = async (engine: EngineContext, runKey: string, seq: number, { decision }: Expiry) =>
  (await decideApproval(engine.database, { runKey, seq, decision, comment: null, decidedBy: null })) ??
  (await findApproval(engine.database, runKey, seq)) // somebody was quicker

/** Asks for a decision, and waits for it outside of memory, however short that may be, where the run may leave it. */
export const waitForDecision = async (
  work: StepAtWork,
  asked: AskedDecision,
): Promise<'again' | 'parked' | 'released'> => {
  const { engine, run, row, side } = work
  const { scrub } = run.environment
  const due = asked.expiry?.at.getTime()
  await requestApproval(engine.database, {
    run_id: run.key,
    seq: row.seq,
    step: row.name,
    message: storable(scrub.text(asked.message)) ?? '',
    assignees: scrub.json(asked.assignees),
    metadata: scrub.json(asked.metadata),
    expires_at: asked.expiry?.at ?? null,
    by_default: asked.expiry?.decision ?? 'fail',
  })
  const approval = await findApproval(engine.database, run.key, row.seq)
  if (approval) tell(side, approval)
  row.wakeMs = due ?? farAwayMs
  return mayPark(run) ? park(work, due ?? null) : waitHere(work, due)
}

/** Other steps of the run are at work: it stays. */
const waitHere = async (work: StepAtWork, due: number | undefined): Promise<'again' | 'released'> => {
  const { engine, run, row, startRow } = work
  await startRow.write()
  let end = (_isOver: boolean) => {}
  const over = new Promise<boolean>((resolve) => {
    end = resolve
  })
  const interrupt = () => end(false)
  const unwatch = engine.decisions.watch({
    runKey: run.key,
    seq: row.seq,
    mayPark: () => mayPark(run),
    tell: () => end(true),
  })
  const timer = due === undefined ? undefined : setTimeout(() => end(true), Math.min(due - now(), longestTimerMs))
  run.interrupts.add(interrupt)
  if (run.requested || run.failure || engine.stopping.aborted) end(false)
  const isOver = await over
  run.interrupts.delete(interrupt)
  clearTimeout(timer)
  unwatch()
  if (isOver) return 'again'
  if (!run.requested && !run.failure) return 'released'
  await withdrawApproval(engine.database, run.key, row.seq)
  throw new Interrupted(row.name)
}

/** Where what has happened is not told yet. */
const tell = (side: StepSide, approval: ApprovalRow): void => {
  for (const event of decisionEvents(approval)) {
    if (!side.warnings.some(({ type }) => type === event.type)) side.warnings.push(event)
  }
}

/** What is told of a wait: that it began, and how it ended. */
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
