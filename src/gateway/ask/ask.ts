import type { IncomingHttpHeaders } from 'node:http'
import type { Environment } from '../../engine/environment/environment.ts'
import type { AppError } from '../../lib/errors.ts'
import { inTime, neededInTime } from '../../lib/in-time.ts'
import { makeLru } from '../../lib/memory/lru.ts'
import { lentKeyPlaceholder } from '../../model/collections/trial.ts'
import type { ModelCaller } from '../../model/gateway/chat.ts'
import { isGoogle, type Shape } from '../../model/gateway/shape.ts'
import { type FallbackOptions, mayFallBack, withFallback } from '../../providers/fallback.ts'
import { type LookUpVariable, type ModelRoute, type Models, recordedModel } from '../../providers/provider.ts'
import { refusalIn, type UpstreamAnswer } from '../../providers/upstream/answer.ts'
import { callUpstream, type UpstreamLimits } from '../../providers/upstream/call-upstream.ts'
import { rerankAnswer, rerankBody } from '../../providers/upstream/convert/rerank.ts'
import { formatOf } from '../../providers/upstream/formats/formats.ts'
import { makeKeyRedactors } from '../../providers/upstream/redact/key-redactor.ts'
import { redactAnswer } from '../../providers/upstream/redact/redact-answer.ts'
import { redactSecrets } from '../../providers/upstream/redact/redact-secrets.ts'
import type { Stop } from '../../providers/upstream/transport/stop.ts'
import { makeUsageQuestion } from '../../providers/upstream/usage/stream-usage.ts'
import type { AnswerCache } from '../../store/calls/answer-cache.ts'
import type { CallGuard } from '../../store/calls/call-guard.ts'
import { type AskedCall, askedOf, askingBody, nativeBody, upstreamBody } from '../read-call.ts'
import type { Ticket } from '../ticket.ts'
import { cacheHash, replayed } from './answer-cache.ts'
import { makeAskConverted } from './ask-converted.ts'
import { type Candidate, type Deployment, deploymentName, makeDeployments, refusesKey } from './deployments.ts'

type Refused = Extract<UpstreamAnswer, { kind: 'refused' }>

/**
 * Asks the named model, and its fallback models if it cannot answer. Nothing has been shown to the client by then. Returns
 * the last refusal as it came; throws the failure of the last model asked.
 */
export const askWithFallbacks = async (
  models: readonly [string, ...string[]],
  ask: (model: string, place: number) => Promise<UpstreamAnswer>,
  options: FallbackOptions,
): Promise<UpstreamAnswer> => {
  const { passes = mayFallBack } = options
  const refusals = new Map<AppError, Refused>()
  try {
    return await withFallback(
      models,
      async (model, place) => {
        const given = await ask(model, place)
        if (given.kind !== 'refused' || !passes(given.error, place)) return given
        refusals.set(given.error, given)
        throw given.error
      },
      options,
    )
  } catch (error) {
    const refused = refusals.get(error as AppError)
    if (refused) return refused
    throw error
  }
}

export interface AskDeps {
  models: Pick<Models, 'route' | 'call' | 'stream' | 'embed' | 'image'>
  /** Decides whether the collection allows a call, before it is sent. */
  guard: CallGuard
  cache: AnswerCache
  limits: UpstreamLimits & {
    fallbackSeconds: number
    /** How long a deployment gets no calls after a failure. */
    coolDownSeconds: number
    /** Maximum values of a body that is converted, as `JETTY_MAX_BODY_VALUES` counts them. */
    bodyValues: number
  }
}

/** A call to answer, and what its client sent beside the body. */
interface ToAsk {
  ticket: Ticket
  asked: AskedCall
  environment: Environment
  headers: IncomingHttpHeaders
  stop: Stop
  limits: UpstreamLimits
}

/** An answer of up to this size is waited for: it can then be checked, tried again, and sent with its length. */
const waitForBytes = 64 * 1024
/** The same of the ranks of documents, which may have to be converted. */
const waitForRankBytes = 4 * 1024 * 1024

/** A sound is passed on as it arrives. */
const waitsFor = (shape: Shape): number =>
  shape === 'speech' ? 0 : shape === 'rerank' ? waitForRankBytes : waitForBytes

/** Every key that the provider may have been called with: some providers take more than one. */
const keysOf = ({ key, provider }: ModelRoute, env: LookUpVariable): string[] => {
  const [name, ...more] = provider.keys
  const isOnly = key !== undefined && more.length === 0 && name !== undefined && env(name) === key
  if (isOnly) return key === lentKeyPlaceholder ? [] : [key]
  const others = provider.keys.flatMap((name) => env(name)?.trim() ?? [])
  return [...new Set([...(key === undefined ? [] : [key]), ...others])].filter((one) => one !== lentKeyPlaceholder)
}

const knownUrls = makeLru<string, URL>(1000)

/** Parses an address of a provider, which is the same for most calls. */
const urlOf = (text: string): URL => {
  const known = knownUrls.get(text)
  if (known) return known
  const url = new URL(text)
  knownUrls.set(text, url)
  return url
}

/** The address of a call. Google's name the model and the method. */
const addressOf = ({ url, model }: ModelRoute, { asked, ticket: { shape } }: ToAsk): string => {
  if (!isGoogle(shape)) return url
  const method = asked.stream ? 'streamGenerateContent?alt=sse' : 'generateContent'
  return `${url}/${encodeURIComponent(model)}:${shape === 'gemini_tokens' ? 'countTokens' : method}`
}

/** Sends a body to a provider that speaks the shape of the call. */
const sendBody = (body: Buffer, route: ModelRoute, call: ToAsk): Promise<UpstreamAnswer> => {
  const { shape } = call.ticket
  const isPlain = formatOf[shape].hasPlainAnswers
  return callUpstream(
    {
      route,
      method: 'POST',
      url: urlOf(addressOf(route, call)),
      body,
      account: route.lent ? 'shared' : 'own',
      clientHeaders: call.headers,
      ownHeaders: {
        'content-type': call.asked.form?.type ?? 'application/json',
        accept: call.asked.stream ? 'text/event-stream' : isPlain ? '*/*' : 'application/json',
      },
      waitForBytes: waitsFor(shape),
      isJson: !isPlain,
    },
    call.limits,
    call.stop,
  )
}

/** Sends a reranking in the names of its provider. */
const askRanks = async (plain: Buffer, route: ModelRoute, call: ToAsk): Promise<UpstreamAnswer> => {
  const isLikeVoyage = route.provider.ranks_like_voyage === true
  const answer = await sendBody(await rerankBody(plain, isLikeVoyage), route, call)
  return isLikeVoyage ? rerankAnswer(answer) : answer
}

/** The names of candidates in the record of those that failed. */
const labelsOf = ([first, ...rest]: readonly Candidate[]): [string, ...string[]] => {
  const label = ({ model, deployment }: Candidate): string => (deployment ? deploymentName(deployment) : model)
  return [first ? label(first) : '', ...rest.map(label)]
}

/**
 * Makes the function that answers a call: from the cache if it holds the answer to the same request, else from the model
 * that was named, else from its fallback models, each within what the collection allows.
 */
export const makeAsk = ({ models, guard, cache, limits }: AskDeps) => {
  const askConverted = makeAskConverted(models, limits.bodyValues)
  const askForUsage = makeUsageQuestion()
  const redactorFor = makeKeyRedactors()
  const deployments = makeDeployments(limits)

  /** Sends the client's bytes, with a question for the usage of a stream. */
  const askNative = (route: ModelRoute, call: ToAsk): Promise<UpstreamAnswer> => {
    const plain = nativeBody(call.asked, route.model)
    if (call.ticket.shape === 'rerank') return askRanks(plain, route, call)
    const send = (body: Buffer) => {
      call.ticket.hidesUsage = body !== plain
      return sendBody(body, route, call)
    }
    if (!call.asked.hidesUsage) return send(plain)
    return askForUsage(route, { asking: askingBody(call.asked, plain), plain }, send, refusalIn)
  }

  /** A database outage is a cache miss. */
  const fromCache = async (
    route: ModelRoute,
    { ticket, asked, headers }: ToAsk,
  ): Promise<UpstreamAnswer | undefined> => {
    const hash = cacheHash(ticket.shape, route, upstreamBody(asked, route.model), headers)
    ticket.cacheKey = { collectionId: ticket.place.collectionId, hash }
    const kept = await inTime(cache.find(ticket.cacheKey)).catch(() => undefined)
    if (!kept) return undefined
    ticket.cached = true
    return replayed(kept)
  }

  /** Asks one model, of which `renamed` are the variables to use in the place of others. */
  const askOne = async (call: ToAsk, renamed: Deployment['variables']): Promise<UpstreamAnswer> => {
    const { ticket, asked, environment, stop } = call
    const { shape, place, settings } = ticket
    const env: LookUpVariable = renamed ? (name) => environment.get(renamed[name] ?? name) : environment.get
    const caller: Omit<ModelCaller, 'signal'> = {
      env,
      tries: call.limits.tries,
      lent: environment.lent,
      admit: async (outgoing) => neededInTime(guard({ collectionId: place.collectionId, settings }, outgoing)),
      allowedHosts: settings.allowed_hosts ?? undefined,
    }
    const route = await models.route({ model: asked.model, provider: asked.block.model_provider }, caller, shape)
    ticket.provider = route.provider
    ticket.model = recordedModel(route)
    const isCaching = asked.block.cache ?? settings.cache_calls ?? false
    const kept = isCaching ? await fromCache(route, call) : undefined
    if (kept) return kept
    const answer = await (route.native
      ? askNative(route, call)
      : askConverted(ticket.shape, route, asked, { ...caller, signal: stop.signal }))
    return redactAnswer(answer, redactorFor(keysOf(route, env)))
  }

  const limitsOfOneTry: UpstreamLimits = { ...limits, tries: 1 }

  return (call: Omit<ToAsk, 'limits'>): Promise<UpstreamAnswer> => {
    const { ticket, asked, environment, headers, stop } = call
    const { collectionId } = ticket.place
    const named = [asked.model, ...(asked.block.fallback_models ?? ticket.settings.fallback_models ?? [])]
    // A provider that the call names is meant as it is.
    const isChosen = asked.block.model_provider !== undefined
    const candidates = named.flatMap((model, at): Candidate[] =>
      at === 0 && isChosen ? [{ model }] : deployments.candidatesOf(collectionId, model, ticket.settings),
    )
    const hasOther = (at: number): boolean =>
      candidates[at]?.deployment !== undefined && candidates[at + 1]?.model === candidates[at].model
    const askCandidate = (_: string, at: number): Promise<UpstreamAnswer> => {
      const { model, deployment } = candidates[at] ?? { model: asked.model }
      const target = deployment?.target ?? model
      const asking = target === asked.model ? asked : askedOf(asked, target)
      // The next deployment is asked at once instead of this one again.
      const limitsHere = hasOther(at) ? limitsOfOneTry : limits
      const one: ToAsk = { ticket, asked: asking, environment, headers, stop, limits: limitsHere }
      ticket.deployment = deployment && deploymentName(deployment)
      const ask = () => askOne(one, deployment?.variables)
      return deployment ? deployments.ask(collectionId, deployment, ask) : ask()
    }
    const answer = askWithFallbacks(labelsOf(candidates), askCandidate, {
      seconds: limits.fallbackSeconds,
      // A key that is revoked fails one deployment, not the model.
      passes: (error, at) => mayFallBack(error) || (hasOther(at) && refusesKey(error)),
      onFallback: (failed) => ticket.attempts.push({ ...failed, message: ticket.scrub.text(failed.message) }),
    })
    return redactSecrets(answer, ticket.scrub)
  }
}
