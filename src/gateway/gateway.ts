import type { IncomingHttpHeaders, ServerResponse } from 'node:http'
import { noRetry } from '../http/errors.ts'
import { unknownMembersOf } from '../http/input/unknown-members.ts'
import { Reply } from '../http/reply.ts'
import { warningsHeader } from '../http/warnings.ts'
import { AppError, toAppError } from '../lib/errors.ts'
import { inTime } from '../lib/in-time.ts'
import { isObject, parsedJson } from '../lib/json/json-object.ts'
import { makeByteBlocks } from '../lib/memory/byte-blocks.ts'
import { doInSlices } from '../lib/slices.ts'
import { headerText } from '../lib/text/header-text.ts'
import { now } from '../lib/time.ts'
import { anthropicType, openAiType } from '../model/gateway/error-types.ts'
import { blockOfEitherSchema, isOfRunbooks, type JettyBlock } from '../model/gateway/gateway-call.ts'
import type { Shape } from '../model/gateway/shape.ts'
import { type LargeAnswer, refusedStatus, type UpstreamAnswer } from '../providers/upstream/answer.ts'
import { makeStop } from '../providers/upstream/transport/stop.ts'
import type { AnswerCache } from '../store/calls/answer-cache.ts'
import type { CallCost } from '../store/calls/budget.ts'
import type { Lending } from '../store/collections/lending.ts'
import { keepAnswer } from './ask/answer-cache.ts'
import { type AskDeps, makeAsk } from './ask/ask.ts'
import { type BeginCallDeps, makeBeginCall } from './begin-call.ts'
import { makeOpenModelCalls } from './open-model-calls.ts'
import { type AskedBody, type ModelCall, readAsked } from './read-call.ts'
import type { FinishedCall } from './record/finished-call.ts'
import { spentUnrecorded } from './record/recorded-answer.ts'
import type { Recorder } from './record/recorder.ts'
import { calledModel } from './record/spent.ts'
import { makeAnswerRoom } from './relay/answer-room.ts'
import { makePace } from './relay/pace.ts'
import { type RelayOptions, relayEvents } from './relay/relay-events.ts'
import { finishedCall, type Keep, type Outcome, type Ticket, ticketHeaders } from './ticket.ts'
import { endTrialCall } from './trial-call.ts'

const openingBrace = 123
const closingBrace = 125

/**
 * Passes on an answer that is too large to wait for. Its last bytes wait for the record; the connection of an answer that
 * breaks off is closed before its announced end.
 */
const relayLarge = (
  outgoing: ServerResponse,
  ticket: Ticket,
  { status, begun, rest, firstByteMs }: LargeAnswer & { status: number; firstByteMs: number },
  { keep, keptBytes, room, stalledSeconds }: RelayOptions,
): Promise<void> =>
  new Promise((resolve, reject) => {
    const recorded = makeByteBlocks()
    const kept = room(keptBytes)
    /** Bytes that are written once more have arrived. */
    let held: Buffer | undefined
    /** Bytes of this turn of the loop: a provider may send them one by one, and each write costs as much as a large one. */
    const arriving = makeByteBlocks()
    /** The last byte so far that is not white space. */
    let lastByte: number | undefined
    let failure: Outcome['error'] = null
    let isOver = false
    if (begun.find((byte) => byte > 32) !== openingBrace) {
      failure = { code: 'upstream_failed', message: 'The answer is not a JSON object' }
    }

    const outcome = (ended: Outcome['status']): Outcome => ({
      status: ended,
      httpStatus: status,
      error: failure,
      answer: { kind: 'json', bytes: recorded.take(), truncated: kept.isTruncated },
      firstByteMs,
    })
    const settle = async (ended: Outcome['status']) => {
      isOver = true
      passOn()
      try {
        await keep(ticket, outcome(ended)).finally(kept.free)
      } catch (error) {
        outgoing.destroy()
        return reject(error)
      }
      if (ended === 'completed') outgoing.end(held)
      else outgoing.destroy()
      resolve()
    }
    const passOn = () => {
      if (arriving.size === 0) return
      const passed = held
      held = arriving.take()
      if (passed && !outgoing.write(passed) && !isOver) waitForClient()
    }
    const take = (chunk: Buffer) => {
      if (kept.add(chunk.length)) recorded.add(chunk)
      lastByte = chunk.findLast((byte) => byte > 32) ?? lastByte
      if (arriving.size === 0) setImmediate(passOn)
      arriving.add(chunk)
    }

    take(begun)
    const cancel = () => {
      if (isOver) return
      rest.abort()
      void settle('cancelled')
    }
    if (outgoing.destroyed) return cancel()
    outgoing.once('close', cancel)
    const waitForClient = makePace(outgoing, rest, stalledSeconds)
    rest.readTo({
      take(chunk) {
        if (!isOver) take(chunk)
      },
      end(problem) {
        if (isOver) return
        if (problem?.code === 'cancelled') return cancel()
        if (problem) failure = { code: problem.code, message: problem.message }
        else if (lastByte !== closingBrace) {
          failure ??= { code: 'upstream_failed', message: 'The answer ended in the middle' }
        }
        void settle(failure ? 'failed' : 'completed')
      },
    })
  })

/** The same text with one more member. */
const withDetail = (text: string, detail: string): string => {
  const end = text.lastIndexOf('}')
  return `${text.slice(0, end)},"detail":${JSON.stringify(detail)}${text.slice(end)}`
}

/**
 * Builds the error body in the client's format. A body of the provider in that format is kept, with `detail` added;
 * otherwise its message is quoted. `text` is the provider's body without secrets.
 */
const refusedBody = (shape: Shape, status: number, text: string, error: AppError): string => {
  const body = parsedJson(text)
  const own =
    isObject(body) && isObject(body.error) && typeof body.error.message === 'string' ? body.error.message : undefined
  const fits = shape !== 'messages' || (isObject(body) && body.type === 'error')
  if (own !== undefined && fits) return isObject(body) && 'detail' in body ? text : withDetail(text, own)
  const message = own ?? error.message
  const code = 'upstream_failed'
  return shape === 'messages'
    ? JSON.stringify({ type: 'error', error: { type: anthropicType(status), message }, detail: message })
    : JSON.stringify({ error: { message, type: openAiType(status), param: null, code }, detail: message })
}

type Streamed = Extract<UpstreamAnswer, { kind: 'events' | 'large' }>
type Whole = Extract<UpstreamAnswer, { kind: 'whole' | 'refused' }>

/** Makes the answer to a call from the answer of the model. The call is recorded before the last byte is sent. */
const makeAnswerCall = (options: RelayOptions) => {
  /**
   * Passes an answer on while it arrives. The record is written at its end, so the headers announce the intended one.
   */
  const streamed = (ticket: Ticket, given: Streamed): Reply => {
    const record = !ticket.recorded ? 'off' : ticket.databaseAway ? 'spilled' : 'on'
    const write: Reply['body'] = (outgoing) =>
      given.kind === 'events'
        ? relayEvents(outgoing, ticket, given, options)
        : relayLarge(outgoing, ticket, given, options)
    return new Reply(write, ticketHeaders(ticket, record, given.headers), given.status)
  }

  const whole = async (call: ModelCall, ticket: Ticket, given: Whole): Promise<Reply> => {
    const { status, headers, bytes, firstByteMs } = given
    const failure = given.kind === 'refused' ? given.error : given.failure
    const error = failure ? { code: failure.code, message: failure.message } : null
    const answer = { kind: 'json' as const, bytes, truncated: false }
    const ended = call.isGone() ? 'cancelled' : error ? 'failed' : 'completed'
    const outcome: Outcome = { status: ended, httpStatus: status, error, answer, firstByteMs }
    const record = await options.keep(ticket, outcome)
    const told = ticketHeaders(ticket, record, headers)
    if (given.kind === 'whole') return new Reply(bytes, told, status)
    const shown = refusedStatus(status)
    const text = refusedBody(ticket.shape, shown, ticket.scrub.text(bytes.toString()), given.error)
    const retry = given.error.isFinal ? noRetry : {}
    return new Reply(text, { ...told, ...retry, 'content-type': 'application/json' }, shown)
  }

  return {
    answer: (call: ModelCall, ticket: Ticket, given: UpstreamAnswer): Reply | Promise<Reply> =>
      given.kind === 'events' || given.kind === 'large' ? streamed(ticket, given) : whole(call, ticket, given),

    /** Records that the call got no answer, and throws the reason. */
    async fail(call: ModelCall, ticket: Ticket, thrown: unknown): Promise<never> {
      const { code, message, hint } = toAppError(thrown)
      const record = await options.keep(ticket, {
        status: code === 'cancelled' ? 'cancelled' : 'failed',
        httpStatus: null,
        error: { code, message: ticket.scrub.text(message), hint },
        answer: null,
        firstByteMs: null,
      })
      call.addHeaders(ticketHeaders(ticket, record, {}))
      throw thrown
    },
  }
}

interface KeepDeps {
  /** Writes a call down: in Postgres, or in a file while that is away. */
  recorder: Recorder
  /** Counts the cost of a call without a record. */
  spend(cost: CallCost): Promise<void>
  cache: AnswerCache
  lending: Lending
}

/** Makes the function that records a call that has ended, keeps its answer for the cache, and ends its trial. */
const makeKeep = ({ recorder, spend, cache, lending }: KeepDeps): Keep => {
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

const unknownIn = unknownMembersOf(blockOfEitherSchema)

/** Clients of the hosted service send the name of an agent and an empty list of files with every call. */
const saysNothing = (name: string, value: unknown): boolean =>
  value == null || name === 'agent' || (Array.isArray(value) && value.length === 0)

const forRunbooks = (block: JettyBlock): string[] =>
  Object.keys(block)
    .filter((name) => isOfRunbooks(name) && !saysNothing(name, block[name]))
    .map((name) => `jetty.${name} is for runbooks, and was ignored in a call of a model`)

/**
 * Adds a warning for each member of the `jetty` block that means nothing for a call of a model. The body has OpenAI's format, so the warnings go into
 * the header, before those that are there.
 */
const withBlockWarnings = (given: UpstreamAnswer, block: JettyBlock): UpstreamAnswer => {
  if (Object.keys(block).length === 0) return given
  const unknown = unknownIn?.({ jetty: block }).map(({ message }) => message) ?? []
  const found = [...unknown, ...forRunbooks(block)]
  if (found.length === 0) return given
  const own = given.headers['x-jetty-warnings']
  return { ...given, headers: { ...given.headers, ...warningsHeader(own ? [...found, own] : found) } }
}

export type { ModelCall } from './read-call.ts'

export interface GatewayDeps extends AskDeps, BeginCallDeps, KeepDeps {
  limits: AskDeps['limits'] &
    Pick<RelayOptions, 'keptBytes' | 'stalledSeconds'> & {
      /** Bytes that all open answers together may keep for their records. */
      roomBytes: number
    }
  /** Interval at which the reservations of trial calls in flight are renewed. */
  renewMs?: number
}

export interface Gateway {
  /** Reads what a call asks of a model. `runbook`: a chat that asks for a runbook instead. Throws `bad_request`. */
  read(bytes: Buffer, headers: IncomingHttpHeaders, shape: Shape): Promise<AskedBody | 'runbook'>
  /** Sends a call to the model and returns its answer. Throws when there is none. */
  answer(call: ModelCall, shape: Shape): Promise<Reply>
  /** Breaks off the calls that are under way, and resolves once all are on record, or after some seconds. */
  end(): Promise<void>
}

/** Throws for a compressed body: the gateway forwards and records bodies as they arrive. */
const requireUnpacked = (encoding = 'identity'): void => {
  if (encoding.trim().toLowerCase() === 'identity') return
  const message = `Bodies with Content-Encoding: ${headerText(encoding, 100)} are not accepted`
  throw new AppError('unsupported_encoding', message, { hint: 'Send the body uncompressed, without Content-Encoding.' })
}

const readCall: Gateway['read'] = async (bytes, headers, shape) => {
  requireUnpacked(headers['content-encoding'])
  const asked = await doInSlices(readAsked(bytes, shape))
  if (asked === 'runbook') return asked
  const collection = asked.block.collection ?? headers['x-jetty-collection']?.toString()
  return { asked, collection: collection || undefined, receivedMs: now() }
}

/**
 * Makes the gateway. It forwards calls to the provider of the model, and the answers back, unchanged when both use the
 * same format. Each call is recorded before the last byte of its answer is sent.
 */
export const makeGateway = (deps: GatewayDeps): Gateway => {
  const { limits, recorder } = deps
  const begin = makeBeginCall(deps)
  const ask = makeAsk(deps)
  const { answer, fail } = makeAnswerCall({ keep: makeKeep(deps), room: makeAnswerRoom(limits.roomBytes), ...limits })
  const underWay = makeOpenModelCalls(deps.lending, deps.renewMs)

  return {
    read: readCall,
    answer(call, shape) {
      const stop = makeStop()
      call.onGone(() => stop.stop())
      call.onAccessEnd((why) => stop.stop(why))
      const one = { stop, isGone: call.isGone }
      return underWay.track(one, async () => {
        const { asked } = call.body
        const { ticket, environment } = await begin(call, shape, one)
        const asking = ask({ ticket, asked, environment, headers: call.headers, stop })
        if (ticket.recorded) recorder.begin(ticket)
        const given = await asking.catch((thrown: unknown) => fail(call, ticket, thrown))
        return answer(call, ticket, withBlockWarnings(given, asked.block))
      })
    },
    end: underWay.end,
  }
}
