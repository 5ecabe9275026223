import { AppError } from '../../lib/errors.ts'
import type { StepCall } from '../../model/runs/step-call.ts'
import type { ActivityContext } from '../activity.ts'
import { endsIn, turnsIn } from './conversation.ts'

/** Bounds of one step. */
export interface ToolBounds {
  turns: number
  calls: number
  tokens: number
  costUsd: number
  /** Whether the step itself limits its cost: then every price must be known. */
  limitsCost: boolean
}

interface GivenBounds {
  max_turns?: number | undefined
  max_tool_calls?: number | undefined
  max_total_tokens?: number | undefined
  max_cost_usd?: number | undefined
}

/** The bounds that a step sets, or those of the server. */
export const boundsOf = (given: GivenBounds, { settings }: ActivityContext): ToolBounds => {
  const { turns, calls, tokens, costUsd } = settings.toolLimits
  return {
    turns: given.max_turns ?? turns,
    calls: given.max_tool_calls ?? calls,
    tokens: given.max_total_tokens ?? tokens,
    costUsd: given.max_cost_usd ?? costUsd,
    limitsCost: given.max_cost_usd !== undefined,
  }
}

const boundReached = (what: string, parameter: string): AppError =>
  new AppError('budget_exceeded', `The conversation was ended after ${what}`, {
    retryable: false,
    hint: `Raise ${parameter}, or give the model less to do. The outputs have the conversation so far.`,
  })

const priceUnknown = (what: string): AppError =>
  new AppError('price_unknown', `The price of ${what} is not known, so max_cost_usd cannot be kept`, {
    hint: 'Leave max_cost_usd out, and set max_total_tokens.',
  })

/** The bound in tokens or dollars that a conversation has come to; undefined if it may spend more. */
export const spendingBound = (records: readonly StepCall[], bounds: ToolBounds): AppError | undefined => {
  const ends = [...endsIn(records).values()]
  const all = [...turnsIn(records), ...ends]
  const ofRuns = ends.reduce((sum, { run_tokens }) => sum + (run_tokens ?? 0), 0)
  const tokens = all.reduce((sum, { usage }) => sum + (usage?.total_tokens ?? 0), ofRuns)
  const cost = all.reduce((sum, { cost_usd }) => sum + (cost_usd ?? 0), 0)
  if (tokens >= bounds.tokens) return boundReached(`${tokens} tokens`, 'max_total_tokens')
  if (cost > 0 && cost >= bounds.costUsd) return boundReached(`${Number(cost.toFixed(6))} US dollars`, 'max_cost_usd')
  return undefined
}

/** The bound that a conversation has come to; undefined if its model may be asked once more. */
export const reachedBound = (records: readonly StepCall[], bounds: ToolBounds): AppError | undefined => {
  const turns = turnsIn(records)
  if (turns.length >= bounds.turns) return boundReached(`${bounds.turns} turns`, 'max_turns')
  const unpriced = turns.find(({ cost_usd, provider }) => cost_usd === null && provider !== 'scripted')
  if (bounds.limitsCost && unpriced) return priceUnknown(`model '${unpriced.model}'`)
  const ends = [...endsIn(records).values()].filter(({ cost_usd }) => cost_usd === null)
  const [tool] = ends.filter((end) => end.run_tokens !== undefined || (end.usage?.total_tokens ?? 0) > 0)
  if (bounds.limitsCost && tool) return priceUnknown(`the ${tool.usage ? 'model' : 'run'} of tool '${tool.tool}'`)
  return spendingBound(records, bounds)
}
