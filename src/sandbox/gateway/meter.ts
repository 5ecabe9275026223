import { type AppError, messageOf } from '../../lib/errors.ts'
import type { ModelUsage } from '../../model/gateway/chat.ts'
import { addCallUsage } from '../../model/gateway/model-totals.ts'
import { chargeFor, costOf } from '../../providers/prices/prices.ts'
import type { Target } from '../../providers/provider.ts'
import { noTokens } from '../../providers/upstream/usage/usage.ts'
import type { GatewayOptions, GatewayUsage } from './sandbox-gateway.ts'

type Failure = NonNullable<GatewayUsage['lastFailure']>

/** The usage of a call, complete or until it was cut off. */
export interface MeteredCall {
  target: Pick<Target, 'provider' | 'model'>
  /** Null if the provider counted nothing. */
  usage: ModelUsage | null
  /** US dollars, if the provider states the cost. */
  stated: number | undefined
  /** A lower bound if nothing was counted: for a budget, an uncounted call is not free. */
  estimate: ModelUsage
  /** The failure; `left` if the agent disconnected; undefined if the call was answered completely. */
  failure: Failure | 'left' | undefined
}

/** A call that has been sent. */
interface CallUnderWay {
  /** At least `tokens` of its answer have arrived. Returns the reason to abort it if that exceeds a budget. */
  came(tokens: number): Failure | undefined
  /** Settles the call. Counts once, however often it is called. */
  end(call: MeteredCall): Promise<void>
}

/** Counts the calls of a gateway and enforces its budgets. */
export interface Meter {
  /** The reason to refuse further calls, if any; `usage` names the exhausted budget from then on. */
  refusal(): Failure | undefined
  /** Notes that a call is sent: it counts, whatever happens. `usdPerToken` of its answer; 0 if unknown. */
  begin(usdPerToken: number): CallUnderWay
  /** Notes a call that was never sent. */
  refuse(failure: Failure): void
  /** Notes a host that was refused. */
  refuseHost(host: string): void
  usage(): GatewayUsage
  /** Resolves when every ended call is counted. */
  settled(): Promise<void>
}

/** A hostile agent can invent any number of hosts. */
const mostHosts = 50

const inWords = { calls: 'model calls', tokens: 'tokens', usd: 'dollars' } as const

export const meterFailure = ({ code, message, extra }: AppError): Failure => {
  const status = extra?.upstream_status
  return { status: typeof status === 'number' ? status : null, code, message }
}

/** Usage of a gateway's calls that counts against its budgets. Includes estimates. */
interface Spending {
  tokens: number
  usd: number
  /** The part of answers that have not ended yet. */
  coming: { tokens: number; usd: number }
}

const exceededBudget = (
  budget: GatewayOptions['budget'],
  { tokens, usd, coming }: Spending,
): GatewayUsage['exceeded'] => {
  if (tokens + coming.tokens >= budget.tokens) return 'tokens'
  return budget.usd !== null && usd + coming.usd >= budget.usd ? 'usd' : undefined
}

const budgetFailure = (exceeded: NonNullable<GatewayUsage['exceeded']>): Failure => ({
  status: null,
  code: 'budget_exceeded',
  message: `The ${inWords[exceeded]} of this runbook are used up`,
})

/** The cost of a call: `known` for reports, null if it is not known, and `estimated` for budgets. */
const costsOf = async ({ target, usage, stated, estimate }: MeteredCall) => {
  if (target.provider.wire.isBuiltIn) return { known: 0, estimated: 0, paid: { usd: null, tokens: 0 } }
  const counted = usage ?? estimate
  const known = await chargeFor(target, usage, stated)
  const estimated = known ?? (await costOf(target, counted))
  return { known, estimated, paid: { usd: estimated, tokens: counted.total_tokens } }
}

/** Counts the tokens of an answer that arrives, until `count(0)` when its call is settled. */
const countComing = (coming: Spending['coming'], usdPerToken: number): ((tokens: number) => void) => {
  let counted = 0
  return (now) => {
    coming.tokens += now - counted
    coming.usd += (now - counted) * usdPerToken
    counted = now
  }
}

/** Collects what a gateway reports about its calls. */
const makeUsageReport = (tell: GatewayOptions['tell']) => {
  let answered = 0
  let failed = 0
  let used = addCallUsage(undefined, noTokens, 0)
  let lastFailure: Failure | undefined
  const hosts = new Set<string>()

  const fail = (failure: Failure | 'left'): void => {
    failed++
    if (failure !== 'left') lastFailure = failure
  }

  return {
    fail,
    /** Adds the usage of a call. An answer that broke off before its count is reported as far as it came. */
    addUsage({ usage, failure, estimate }: MeteredCall, cost: number | null): void {
      const had = usage ?? (failure === undefined ? noTokens : estimate)
      // A refused call costs nothing; an answered one costs something, known or not.
      const isFree = failure !== undefined && (usage ?? estimate).total_tokens === 0
      used = addCallUsage(used, had, cost ?? (isFree ? 0 : null))
    },
    /** Adds the end of a call, once it is paid. */
    addEnd({ target, usage, failure }: MeteredCall, cost: number | null): void {
      if (failure !== undefined) fail(failure)
      else {
        answered++
        lastFailure = undefined
        const { prompt_tokens, completion_tokens } = usage ?? noTokens
        tell({ type: 'usage', model: target.model, prompt_tokens, completion_tokens, cost_usd: cost })
      }
    },
    refuseHost(host: string): void {
      if (hosts.has(host) || hosts.size >= mostHosts) return
      hosts.add(host)
      tell({ type: 'warning', message: `Access to the host '${host}' was refused` })
    },
    read: (exceeded: GatewayUsage['exceeded']): GatewayUsage => ({
      answered,
      failed,
      prompt_tokens: used.prompt_tokens,
      completion_tokens: used.completion_tokens,
      cost_usd: used.cost_usd,
      lastFailure,
      exceeded,
      refusedHosts: [...hosts],
    }),
  }
}

export const makeMeter = ({ budget, paid, tell }: Pick<GatewayOptions, 'budget' | 'paid' | 'tell'>): Meter => {
  const report = makeUsageReport(tell)
  const spending: Spending = { tokens: 0, usd: 0, coming: { tokens: 0, usd: 0 } }
  const settling = new Set<Promise<void>>()
  let begun = 0
  let exceeded: GatewayUsage['exceeded']
  let isBroken = false

  const settle = async (call: MeteredCall): Promise<void> => {
    const { target, usage, estimate } = call
    const costs = await costsOf(call)
    report.addUsage(call, costs.known)
    spending.tokens += (usage ?? estimate).total_tokens
    spending.usd += costs.estimated ?? 0
    await paid({ model: `${target.provider.id}/${target.model}`, ...costs.paid })
    report.addEnd(call, costs.known)
  }

  /** A cost that is not on record is not paid: no further call is sent. */
  const refuseFromNowOn = (error: unknown): never => {
    report.fail({ status: null, code: 'internal', message: `A call could not be counted: ${messageOf(error)}` })
    isBroken = true
    throw error
  }

  const begin = (usdPerToken: number): CallUnderWay => {
    begun++
    const count = countComing(spending.coming, usdPerToken)
    let ended: Promise<void> | undefined
    return {
      came(now) {
        count(now)
        const passed = exceededBudget(budget, spending)
        if (passed === undefined) return undefined
        exceeded ??= passed
        return budgetFailure(passed)
      },
      end(call) {
        if (!ended) count(0)
        ended ??= settle(call).catch(refuseFromNowOn)
        const watched = ended.catch(() => {}).finally(() => settling.delete(watched))
        settling.add(watched)
        return ended
      },
    }
  }

  return {
    begin,
    refusal() {
      if (isBroken) return { status: null, code: 'internal', message: 'The cost of model calls cannot be recorded' }
      exceeded ??= begun >= budget.calls ? 'calls' : exceededBudget(budget, spending)
      return exceeded && budgetFailure(exceeded)
    },
    refuse: report.fail,
    refuseHost: report.refuseHost,
    usage: () => report.read(exceeded),
    async settled() {
      while (settling.size > 0) await Promise.all(settling)
    },
  }
}
