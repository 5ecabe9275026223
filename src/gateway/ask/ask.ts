import type { IncomingHttpHeaders } from 'node:http'
import type { Environment } from '../../engine/environment/environment.ts'
import { lentKeyPlaceholder } from '../../model/collections/trial.ts'
import type { ModelCaller } from '../../model/gateway/chat.ts'
import type { Models, Route } from '../../providers/provider.ts'
import type { AnswerCache } from '../../store/calls/answer-cache.ts'
import type { CallGuard } from '../../store/calls/call-guard.ts'
import { type AskedCall, askedOf, upstreamBody } from '../asked.ts'
import { withoutAccount } from '../headers.ts'
import { inTime, neededInTime } from '../in-time.ts'
import { withoutSecrets } from '../record/without-secrets.ts'
import { makeKeyStrikes } from '../relay/key-strike.ts'
import { struckAnswer } from '../relay/struck-answer.ts'
import type { Stop } from '../stop.ts'
import type { Ticket } from '../ticket.ts'
import { cacheHash, replayed } from './answer-cache.ts'
import { makeAskConverted } from './ask-converted.ts'
import { type AskLimits, askNative, type Given } from './ask-native.ts'
import { askInTurn } from './fallback.ts'

export interface AskDeps {
  models: Pick<Models, 'route' | 'call' | 'stream' | 'embed' | 'image'>
  /** Decides whether the collection allows a call, before it is sent. */
  guard: CallGuard
  /** Answers that may be given again. */
  cache: AnswerCache
  limits: AskLimits & { fallbackSeconds: number }
}

/** The key that somebody is asked with; some take more than one. */
const keysOf = ({ key, provider }: Route, environment: Environment): string[] => {
  const others = provider.keys.flatMap((name) => environment.get(name)?.trim() ?? [])
  return [...new Set([...(key === undefined ? [] : [key]), ...others])].filter((one) => one !== lentKeyPlaceholder)
}

/** A call that is to be answered, and what its client sent beside the body. */
export interface ToAsk {
  ticket: Ticket
  asked: AskedCall
  environment: Environment
  headers: IncomingHttpHeaders
  stop: Stop
}

/**
 * Makes the function that finds out who answers a call and asks them: the model that was meant, then those that stand in
 * for it, each within what the collection allows; nobody, where the answer to the same request is at hand.
 */
export const makeAsk = ({ models, guard, cache, limits }: AskDeps) => {
  const askConverted = makeAskConverted(models)
  const strikeOf = makeKeyStrikes()

  /** A database that is away has no answers. */
  const atHand = async (route: Route, { ticket, asked, headers }: ToAsk): Promise<Given | undefined> => {
    const hash = cacheHash(ticket.shape, route, upstreamBody(asked, route.model), headers)
    ticket.cacheKey = { collectionId: ticket.place.collectionId, hash }
    const kept = await inTime(cache.find(ticket.cacheKey)).catch(() => undefined)
    if (!kept) return undefined
    ticket.cached = true
    return replayed(kept)
  }

  const askRoute = async (
    route: Route,
    { ticket, asked, headers, stop }: ToAsk,
    caller: ModelCaller,
  ): Promise<Given> => {
    if (!route.native) return askConverted(ticket.shape, route, asked, caller)
    if (!route.lent) return askNative(route, asked, headers, limits, stop)
    const given = await askNative(route, asked, withoutAccount(headers), limits, stop)
    return { ...given, headers: withoutAccount(given.headers) }
  }

  const askOne = async (call: ToAsk): Promise<Given> => {
    const { ticket, asked, environment, stop } = call
    const { shape, place, settings } = ticket
    const { model } = asked
    const caller: ModelCaller = {
      env: environment.get,
      lent: environment.lent,
      admit: async (outgoing) => neededInTime(guard({ collectionId: place.collectionId, settings }, outgoing)),
      allowedHosts: settings.allowed_hosts ?? undefined,
      get signal() {
        return stop.signal
      },
    }
    const route = await models.route({ model, provider: asked.block.model_provider }, caller, shape)
    ticket.provider = route.provider
    ticket.model = route.provider.wire === 'scripted' ? `${route.provider.id}/${route.model}` : route.model
    const isCaching = asked.block.cache ?? settings.cache_calls ?? false
    const kept = isCaching ? await atHand(route, call) : undefined
    if (kept) return kept
    const given = await askRoute(route, call, caller)
    return struckAnswer(given, strikeOf(keysOf(route, environment)))
  }

  return (call: ToAsk): Promise<Given> => {
    const { ticket, asked } = call
    const others = asked.block.fallback_models ?? ticket.settings.fallback_models ?? []
    const askModel = (model: string, place: number) =>
      askOne(place === 0 ? call : { ...call, asked: askedOf(asked, model) })
    const given = askInTurn([asked.model, ...others], askModel, {
      seconds: limits.fallbackSeconds,
      onFallback: (failed) => ticket.attempts.push({ ...failed, message: ticket.scrub.text(failed.message) }),
    })
    return withoutSecrets(given, ticket.scrub)
  }
}
