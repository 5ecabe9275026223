import { type AppError, messageOf } from '../lib/errors.ts'
import type { ModelUsage } from '../model/gateway/chat.ts'
import { costOf } from '../providers/prices/prices.ts'
import type { Target } from '../providers/provider.ts'
import { noTokens, tokenUsage } from '../upstream/usage/usage.ts'
import type { GatewayOptions, GatewayUsage } from './sandbox-gateway.ts'

type Failure = NonNullable<GatewayUsage['lastFailure']>

/** What a call came to, as far as it went. */
export interface MeteredCall {
  target: Pick<Target, 'provider' | 'model'>
  /** Null where the provider has counted nothing. */
  usage: ModelUsage | null
  /** US dollars, where the provider says them. */
  stated: number | undefined
  /** What it comes to at the least where nothing was counted: a budget takes nobody's silence for nothing. */
  estimate: ModelUsage
  /** How it failed; undefined where it was answered to the end. */
  failure: Failure | 'left' | undefined
}

/** A call that was sent. */
export interface CallUnderWay {
  /** So many tokens of its answer have come, at the least. Why it is cut off, if a budget is passed with them. */
  came(tokens: number): Failure | undefined
  /** It is over. Counts once, however often it is called. */
  end(call: MeteredCall): Promise<void>
}

/** Counts what goes through, and says when it is enough. */
export interface Meter {
  /** Why no further call is sent, if that is so; a budget that is used up stands in `usage` from then on. */
  refusal(): Failure | undefined
  /** A call is sent: it counts from now on, whatever comes of it. `usdPerToken` of its answer; 0 where nobody knows. */
  begin(usdPerToken: number): CallUnderWay
  /** A call that was never sent. */
  refuse(failure: Failure): void
  /** A host that was asked for in vain. */
  refuseHost(host: string): void
  usage(): GatewayUsage
  /** Resolves when everything that has ended is counted. */
  settled(): Promise<void>
}

/** A hostile inside can make up hosts without an end. */
const mostHosts = 50

const inWords = { calls: 'calls of models', tokens: 'tokens', usd: 'dollars' } as const

export const failureOf = ({ code, message, extra }: AppError): Failure => {
  const status = extra?.upstream_status
  return { status: typeof status === 'number' ? status : null, code, message }
}

export const makeMeter = ({ budget, paid, tell }: Pick<GatewayOptions, 'budget' | 'paid' | 'tell'>): Meter => {
  let begun = 0
  let answered = 0
  let failed = 0
  let told = noTokens
  /** With what was estimated: what the budgets look at. */
  let tokens = 0
  let usd = 0
  /** Of answers that are not over yet. */
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
    message: `the ${inWords[which]} of this runbook are used up`,
  })

  const settle = async ({ target, usage, stated, estimate, failure }: MeteredCall): Promise<void> => {
    const isFree = target.provider.wire.isBuiltIn
    const counted = usage ?? estimate
    const cost = isFree ? 0 : await costOf(target, usage, stated)
    const roughly = cost ?? (isFree ? 0 : await costOf(target, counted))
    // Who breaks an answer off before its count has had what came of it.
    const had = usage ?? (failure === undefined ? noTokens : estimate)
    told = tokenUsage(told.prompt_tokens + had.prompt_tokens, told.completion_tokens + had.completion_tokens)
    tokens += counted.total_tokens
    usd += roughly ?? 0
    // A call that was refused costs nothing; one that was answered costs something, known or not.
    if (cost === null && (failure === undefined || counted.total_tokens > 0)) isPriceKnown = false
    await paid({ usd: isFree ? null : roughly, tokens: isFree ? 0 : counted.total_tokens })
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
      if (isBroken)
        return { status: null, code: 'internal', message: 'what calls of models cost cannot be written down' }
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
          // What was not written down was not paid for: nothing more is asked.
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
      tell({ type: 'warning', message: `The host '${host}' was asked for and refused` })
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
