import { longestTimerMs, now } from '../../lib/time.ts'
import type { StepLog } from '../../model/runs/step.ts'
import type { Queries } from '../../store/database/database.ts'
import { Interrupted } from '../steps/execute.ts'
import type { StepAtWork } from '../steps/step-at-work.ts'
import type { StepSide } from '../steps/step-side.ts'
import type { Decisions } from './decisions.ts'
import { mayPark, type ParkDeps, park } from './park.ts'

export interface AnswerDeps extends ParkDeps {
  database: Queries
  decisions: Decisions
}

interface AwaitedAnswer {
  /** When the wait ends without an answer; undefined: never. */
  dueMs: number | undefined
  /** Removes the open request of a step that was interrupted. */
  withdraw(): Promise<unknown>
}

/** Due time of a wait without end. A waiting step always has one, so that no death is counted for it. */
const farAwayMs = Date.UTC(9999, 0)

/**
 * Waits for an answer from outside that a row was written for. The run leaves memory if possible, however short the wait
 * may be. `again`: the answer is there, or the time is over.
 */
export const waitForAnswer = async (
  deps: AnswerDeps,
  work: StepAtWork,
  awaited: AwaitedAnswer,
): Promise<'again' | 'parked' | 'released'> => {
  work.row.wakeMs = awaited.dueMs ?? farAwayMs
  return mayPark(work.run) ? park(deps, work, awaited.dueMs ?? null) : waitHere(deps, work, awaited)
}

/** Waits in memory, since other steps of the run execute. */
const waitHere = async (
  { decisions, stopping }: AnswerDeps,
  work: StepAtWork,
  { dueMs, withdraw }: AwaitedAnswer,
): Promise<'again' | 'released'> => {
  const { run, row, startRow } = work
  await startRow.write()
  let end = (_isOver: boolean) => {}
  const over = new Promise<boolean>((resolve) => {
    end = resolve
  })
  const interrupt = () => end(false)
  const unwatch = decisions.watch({
    runKey: run.key,
    seq: row.seq,
    mayPark: () => mayPark(run),
    tell: () => end(true),
  })
  const timer = dueMs === undefined ? undefined : setTimeout(() => end(true), Math.min(dueMs - now(), longestTimerMs))
  run.interrupts.add(interrupt)
  if (run.requested || run.failure || stopping.aborted) end(false)
  const isOver = await over
  run.interrupts.delete(interrupt)
  clearTimeout(timer)
  unwatch()
  if (isOver) return 'again'
  if (!run.requested && !run.failure) return 'released'
  await withdraw()
  throw new Interrupted(row.name)
}

/** Adds messages to the step's log, unless they are there already. */
export const tellOnce = (side: StepSide, messages: readonly StepLog[]): void => {
  for (const message of messages) {
    if (!side.warnings.some(({ type }) => type === message.type)) side.warnings.push(message)
  }
}
