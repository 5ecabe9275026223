import { inTime } from '../lib/in-time.ts'
import type { AnswerCache } from '../store/calls/answer-cache.ts'
import type { CallCost } from '../store/calls/budget.ts'
import type { Lending } from '../store/collections/lending.ts'
import { keepAnswer } from './ask/answer-cache.ts'
import type { FinishedCall } from './record/finished-call.ts'
import { spentUnrecorded } from './record/recorded-answer.ts'
import type { Recorder } from './record/recorder.ts'
import { calledModel } from './record/spent.ts'
import { finishedCall, type Keep } from './ticket.ts'
import { endTrialCall } from './trial-call.ts'

export interface KeepDeps {
  /** Writes a call down: in Postgres, or in a file while that is away. */
  recorder: Recorder
  /** Counts the cost of a call without a record. */
  spend(cost: CallCost): Promise<void>
  cache: AnswerCache
  lending: Lending
}

/** Makes the function that records a call that has ended, keeps its answer for the cache, and ends its trial. */
export const makeKeep = ({ recorder, spend, cache, lending }: KeepDeps): Keep => {
  /** The cost of a call without a record still counts towards a budget. */
  const leaveUnrecorded = async (call: FinishedCall): Promise<'off'> => {
    const { usd, tokens } = call.isBudgeted ? await spentUnrecorded(call) : { usd: null, tokens: null }
    const { collectionId } = call.place
    const hasCost = usd !== null || tokens !== null
    // A database that went away meanwhile is no reason to take the answer back.
    const cost = { collectionId, taskId: 0, model: calledModel(call), runKey: null, usd, tokens: tokens ?? 0 }
    if (hasCost) await inTime(spend(cost)).catch(() => {})
    return 'off'
  }

  return async (ticket, outcome) => {
    const call = finishedCall(ticket, outcome)
    const record = ticket.recorded ? recorder.keep(call) : leaveUnrecorded(call)
    const answer = ticket.cacheKey && inTime(keepAnswer(cache, ticket.cacheKey, call))
    const trial = ticket.trial && inTime(endTrialCall(lending, ticket))
    return (await Promise.all([record, answer, trial]))[0]
  }
}
