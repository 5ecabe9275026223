import { type AppError, messageOf } from '../lib/errors.ts'
import type { ModelUsage } from '../model/gateway/chat.ts'
import { costOf } from '../providers/prices/prices.ts'
import type { Target } from '../providers/provider.ts'
import { noTokens, tokenUsage } from '../upstream/usage/usage.ts'
import type { GatewayOptions, GatewayUsage } from './sandbox-gateway.ts'

type Failure = NonNullable<GatewayUsage['lastFailure']>

/** What a call used, as far as it went. */
export interface MeteredCall {
  target: Pick<Target, 'provider' | 'model'>
  /** Null if the provider counted nothing. */
  usage: ModelUsage | null
  /** US dollars, if the provider states the cost. */
  stated: number | undefined
  /** A lower bound if nothing was counted: for a budget, an uncounted call is not free. */
  estimate: ModelUsage
  /** How it failed; undefined if it was answered to the end. */
  failure: Failure | 'left' | undefined
}

/** A call that has been sent. */
export interface CallUnderWay {
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

export const makeMeter = ({ budget, paid, tell }: Pick<GatewayOptions, 'budget' | 'paid' | 'tell'>): Meter => {
  let begun = 0
  let answered = 0
  let failed = 0
  let told = noTokens
  /** Including estimates: compared with the budgets. */
  let tokens = 0
  let usd = 0
  /** Of answers that have not ended yet. */
  const coming = { tokens: 0, usd: 0 }
  let isPriceKnown = true
  let lastFailure: Failure | undefined
  let exceeded: GatewayUsage['exceeded']
  let isBroken = false
  const hosts = new Set<string>()
  const settling = new Set<Promise<void>>()

  const isPassed = (): GatewayUsage['exceeded'] => {
    if (tokens + coming.tokens >= budget.tokens) return 'tokens'
    return budget.usd !== null && usd + coming.usd >= budget.usd ? 'usd' : undefined
  }
  const refusalOf = (which: NonNullable<GatewayUsage['exceeded']>): Failure => ({
    status: null,
    code: 'budget_exceeded',
    message: `The ${inWords[which]} of this runbook are used up`,
  })

  const settle = async ({ target, usage, stated, estimate, failure }: MeteredCall): Promise<void> => {
    const isFree = target.provider.wire.isBuiltIn
    const counted = usage ?? estimate
    const cost = isFree ? 0 : await costOf(target, usage, stated)
    const roughly = cost ?? (isFree ? 0 : await costOf(target, counted))
    // An answer that broke off before its count is reported as far as it came.
    const had = usage ?? (failure === undefined ? noTokens : estimate)
    told = tokenUsage(told.prompt_tokens + had.prompt_tokens, told.completion_tokens + had.completion_tokens)
    tokens += counted.total_tokens
    usd += roughly ?? 0
    // A refused call costs nothing; an answered one costs something, known or not.
    if (cost === null && (failure === undefined || counted.total_tokens > 0)) isPriceKnown = false
    const model = `${target.provider.id}/${target.model}`
    await paid({ model, usd: isFree ? null : roughly, tokens: isFree ? 0 : counted.total_tokens })
    if (failure === undefined) {
      answered++
      lastFailure = undefined
      const { prompt_tokens, completion_tokens } = usage ?? noTokens
      tell({ type: 'usage', model: target.model, prompt_tokens, completion_tokens, cost_usd: cost })
    } else {
      failed++
      if (failure !== 'left') lastFailure = failure
    }
  }

  return {
    refusal() {
      if (isBroken) return { status: null, code: 'internal', message: 'The cost of model calls cannot be recorded' }
      exceeded ??= begun >= budget.calls ? 'calls' : isPassed()
      return exceeded && refusalOf(exceeded)
    },
    begin(usdPerToken) {
      begun++
      let counted = 0
      const count = (now: number) => {
        coming.tokens += now - counted
        coming.usd += (now - counted) * usdPerToken
        counted = now
      }
      let ended: Promise<void> | undefined
      const end = (call: MeteredCall): Promise<void> => {
        if (!ended) count(0)
        ended ??= settle(call).catch((error) => {
          // A cost that is not on record is not paid: no further call is sent.
          failed++
          lastFailure = { status: null, code: 'internal', message: `A call could not be counted: ${messageOf(error)}` }
          isBroken = true
          throw error
        })
        const watched = ended.catch(() => {}).finally(() => settling.delete(watched))
        settling.add(watched)
        return ended
      }
      return {
        came(now) {
          count(now)
          const passed = isPassed()
          if (passed === undefined) return undefined
          exceeded ??= passed
          return refusalOf(passed)
        },
        end,
      }
    },
    refuse(failure) {
      failed++
      lastFailure = failure
    },
    refuseHost(host) {
      if (hosts.has(host) || hosts.size >= mostHosts) return
      hosts.add(host)
      tell({ type: 'warning', message: `Access to the host '${host}' was refused` })
    },
    usage: () => ({
      answered,
      failed,
      prompt_tokens: told.prompt_tokens,
      completion_tokens: told.completion_tokens,
      cost_usd: isPriceKnown ? Number(usd.toPrecision(12)) : null,
      lastFailure,
      exceeded,
      refusedHosts: [...hosts],
    }),
    async settled() {
      while (settling.size > 0) await Promise.all(settling)
    },
  }
}
