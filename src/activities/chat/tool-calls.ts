import type { ModelTurn, StepCall, ToolRequest } from '../../model/runs/step-call.ts'
import { type ActivityContext, WaitForRuns } from '../activity.ts'
import { callsIn, endsIn, toolCallKey, turnsIn } from './conversation.ts'
import { spendingBound, type ToolBounds } from './tool-bounds.ts'

/** Tool calls of one turn that are carried out at the same time. */
const callsAtOnce = 4

interface Numbered {
  call: ToolRequest
  /** Number of the call in its step. */
  ordinal: number
}

/** The calls of a turn that have no result yet, each with its number. */
const openCalls = (turn: ModelTurn, records: readonly StepCall[]): Numbered[] => {
  const ends = endsIn(records)
  const before = turnsIn(records)
    .filter((one) => one.turn < turn.turn)
    .reduce((sum, one) => sum + callsIn(one).length, 0)
  return callsIn(turn)
    .map((call, at) => ({ call, ordinal: before + at }))
    .filter(({ call }) => !ends.has(toolCallKey(call)))
}

/**
 * Carries out the calls of a turn that have no result yet, a few at once. Calls above a limit are refused. Returns what to wait
 * for when one of them starts a run.
 */
export const answerCalls = async (
  turn: ModelTurn,
  records: readonly StepCall[],
  { tools, bounds }: { tools: NonNullable<ActivityContext['tools']>; bounds: ToolBounds },
): Promise<WaitForRuns<never> | undefined> => {
  const open = openCalls(turn, records)
  // A turn that was told to answer has no successor that could see a result.
  const allowed = turn.is_last_call ? [] : open.filter(({ ordinal }) => ordinal < bounds.calls)
  const waits: WaitForRuns<never>[] = []
  const work = async (): Promise<void> => {
    for (let next = allowed.shift(); next; next = allowed.shift()) {
      const bound = spendingBound(records, bounds)
      if (bound) await tools.refuse(next.call, `Error: ${bound.message}.`)
      if (bound) continue
      const done = await tools.carryOut(next.call, next.ordinal)
      if (done instanceof WaitForRuns) waits.push(done)
    }
  }
  const workers = Array.from({ length: callsAtOnce }, work)
  // All end before the failure of one is passed on: none may write after that.
  const ended = await Promise.allSettled(workers)
  const failed = ended.find((one) => one.status === 'rejected')
  if (failed) throw failed.reason
  for (const { call, ordinal } of open) {
    if (ordinal >= bounds.calls) {
      await tools.refuse(call, `Error: the limit of ${bounds.calls} tool calls is used up. Answer with what you know.`)
    } else if (turn.is_last_call) await tools.refuse(call, 'Error: no more tools can be called.')
  }
  return waits[0]
}
