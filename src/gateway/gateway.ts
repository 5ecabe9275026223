import type { IncomingHttpHeaders, ServerResponse } from 'node:http'
import type { Environment } from '../engine/environment/environment.ts'
import { noRetry } from '../http/errors.ts'
import type { Room } from '../http/input/memory.ts'
import { unknownMembersOf } from '../http/input/unknown-members.ts'
import { Reply } from '../http/reply.ts'
import { warningsHeader } from '../http/warnings.ts'
import { AppError, toAppError } from '../lib/errors.ts'
import { inTime, neededInTime } from '../lib/in-time.ts'
import { isObject, parsedJson } from '../lib/json/json-object.ts'
import { makeByteBlocks } from '../lib/memory/byte-blocks.ts'
import { doInSlices } from '../lib/slices.ts'
import { headerText } from '../lib/text/header-text.ts'
import { now, pause } from '../lib/time.ts'
import type { Identity } from '../model/collections/identity.ts'
import { blockOfEitherSchema, isOfRunbooks, type JettyBlock } from '../model/gateway/gateway-call.ts'
import { type Shape, shapeFacts } from '../model/gateway/shape.ts'
import type { StartLabel } from '../model/runs/label.ts'
import { refusedStatus, type UpstreamAnswer } from '../providers/upstream/answer.ts'
import { geminiArray } from '../providers/upstream/convert/gemini.ts'
import { formatOf } from '../providers/upstream/formats/formats.ts'
import { clientLeft, makeStop, type Stop } from '../providers/upstream/transport/stop.ts'
import type { AnswerCache } from '../store/calls/answer-cache.ts'
import type { CallCost } from '../store/calls/budget.ts'
import type { Lending } from '../store/collections/lending.ts'
import type { Pauses } from '../store/collections/pauses.ts'
import type { Quota } from '../store/collections/quota.ts'
import { keepAnswer } from './ask/answer-cache.ts'
import { type AskDeps, makeAsk } from './ask/ask.ts'
import { headerLabels } from './call-labels.ts'
import { isCallTask } from './own-workflows.ts'
import { type AskedBody, type ModelCall, readAsked, readAskedForm, type SaidInPath } from './read-call.ts'
import { bytesBesideForm } from './read-form.ts'
import { type FinishedCall, scrubbedLabels } from './record/finished-call.ts'
import { spentUnrecorded } from './record/recorded-answer.ts'
import type { Recorder } from './record/recorder.ts'
import { calledModel } from './record/spent.ts'
import { makeAnswerRoom, makePace, type RelayOptions, relayEvents } from './relay/relay-events.ts'
import {
  beginTrialCall,
  endTrialCall,
  finishedCall,
  type Keep,
  makeTicket,
  type Outcome,
  type Ticket,
  ticketHeaders,
} from './ticket.ts'

/** A call that has not ended yet. */
interface OpenModelCall {
  stop: Stop
  /** True if the client has disconnected. */
  isGone(): boolean
  /** The reservation of the call in a trial. */
  trial?: { collectionId: number; runKey: string }
}

interface OpenModelCalls {
  /** Keeps a call in the list until its answer has ended, the part that the reply still has to write included. */
  track(call: OpenModelCall, answer: () => Promise<Reply>): Promise<Reply>
  /** Breaks off every call, and resolves once all are on record, or after some seconds. */
  end(): Promise<void>
}

const endWithinMs = 10_000
const renewTrialsMs = 60_000

const serverStops = (): AppError =>
  new AppError('stopping', 'The server is stopping and has interrupted the answer', {
    hint: 'Send the call again.',
    retryAfterSeconds: 1,
  })

/** Makes the list of the calls that are under way. Trials of these calls are renewed, so that no sweep takes them back. */
const makeOpenModelCalls = (lending: Pick<Lending, 'renew'>, renewMs = renewTrialsMs): OpenModelCalls => {
  const calls = new Map<OpenModelCall, Promise<void>>()
  const renewTrials = () => {
    const trials = [...calls.keys()].flatMap(({ trial }) => trial ?? [])
    if (trials.length > 0) lending.renew(trials).catch(() => {}) // while the database is away nothing is swept either
  }
  const renewing = setInterval(renewTrials, renewMs).unref()

  return {
    async track(call, answer) {
      let end = () => {}
      const ended = new Promise<void>((resolve) => {
        end = resolve
      })
      calls.set(call, ended)
      const over = () => {
        calls.delete(call)
        end()
      }
      try {
        const reply = await answer()
        const { body, headers, status } = reply
        if (typeof body === 'function') return new Reply((outgoing) => body(outgoing).finally(over), headers, status)
        over()
        return reply
      } catch (error) {
        over()
        throw error
      }
    },
    async end() {
      const late = new AbortController()
      for (const call of calls.keys()) call.stop.stop(call.isGone() ? clientLeft() : serverStops())
      await Promise.race([Promise.all(calls.values()), pause(endWithinMs, late.signal)])
      late.abort()
      clearInterval(renewing)
    },
  }
}

interface BeginCallDeps {
  /** The variables of one version of an environment, with lent keys under these names. */
  environmentOf(id: number | null, lent: readonly string[]): Environment | Promise<Environment>
  lending: Lending
  /** Refuses calls of paused collections. */
  pauses: Pick<Pauses, 'require'>
  /** Refuses a call that must be recorded if its collection has used up its quota. */
  quota: Pick<Quota, 'require'>
  recorder: Recorder
  /** Draws an unused trajectory id: the client gets it before the call is recorded. */
  drawTrajectoryId(): string
  /** Maximum labels of one run. */
  mostLabels: number
  /** Refuses calls that cannot be recorded in Postgres now. */
  recordingRequired: boolean
}

/** A call that may be sent to a model. */
interface BegunModelCall {
  ticket: Ticket
  environment: Environment
}

const unrecordable = (): AppError =>
  new AppError('database_unavailable', 'The call cannot be recorded: the database does not answer right now', {
    hint: 'JETTY_RECORDING_REQUIRED refuses calls that cannot be recorded. Try again in a moment.',
    retryAfterSeconds: 1,
  })

const noRoom = (): AppError =>
  new AppError('busy', 'Call records are queued faster than the database can store them', {
    hint: 'Try again in a moment. While the database is away, JETTY_SPILL_BYTES limits what is kept in files.',
    retryAfterSeconds: 5,
  })

/** Throws 403 when a read-only key names a task: it may not create tasks, nor add to the runs of others. */
const requireNaming = (identity: Identity, task: string | undefined): void => {
  if (identity.access !== 'READ' || task === undefined || isCallTask(task)) return
  throw new AppError('forbidden', 'Access level WRITE required.', {
    hint: 'Leave jetty.task out, or use a key with the access level WRITE: it names the task that a call is recorded under.',
  })
}

const tooManyLabels = (most: number): AppError =>
  new AppError('bad_request', `jetty.labels: a run has at most ${most} labels, those of X-Jetty-Labels included`, {
    hint: 'Send fewer labels, or raise JETTY_MAX_LABELS_PER_RUN.',
  })

/** Makes the function that prepares an admitted call: its trial, its environment, and room for its record. */
const makeBeginCall =
  ({
    environmentOf,
    lending,
    pauses,
    quota,
    recorder,
    drawTrajectoryId,
    mostLabels,
    recordingRequired,
  }: BeginCallDeps) =>
  async (call: ModelCall, underWay: OpenModelCall): Promise<BegunModelCall> => {
    const { headers, identity, collection, databaseAway } = call
    const { shape, asked, labels, receivedMs } = call.body
    requireNaming(identity, asked.block.task)
    pauses.require(collection.id)
    const trial = asked.block.use_trial_keys ? await neededInTime(beginTrialCall(lending, call)) : undefined
    if (trial) underWay.trial = { collectionId: collection.id, runKey: trial.runKey }
    const environment = await neededInTime(environmentOf(collection.environment_id, trial?.lent ?? []))
    const ticket = makeTicket({
      ...{ shape, asked, labels, headers, admission: call, environment, startedMs: receivedMs, trial, databaseAway },
      trajectoryId: drawTrajectoryId(),
    })
    if (ticket.labels.length > mostLabels) throw tooManyLabels(mostLabels)
    if (!ticket.recorded) return { ticket, environment }
    if (databaseAway && recordingRequired) throw unrecordable()
    if (recorder.full) throw noRoom()
    const room = quota.require(collection.id)
    if (room) await neededInTime(room)
    return { ticket, environment }
  }

const openingBrace = 123
const closingBrace = 125

/** What is kept of an answer: a sound as a file, everything else as a text. */
const keptAnswer = (
  { shape }: Ticket,
  bytes: Buffer,
  { type, truncated }: { type: string; truncated: boolean },
): NonNullable<Outcome['answer']> =>
  shape === 'speech' ? { kind: 'bytes', bytes, type, truncated } : { kind: 'json', bytes, truncated }

/**
 * Passes on an answer that is too large to wait for. Its last bytes wait for the record; the connection of an answer that
 * breaks off is closed before its announced end.
 */
const relayLarge = (
  outgoing: ServerResponse,
  ticket: Ticket,
  { status, headers, begun, rest, firstByteMs }: Extract<UpstreamAnswer, { kind: 'large' }>,
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
    const isPlain = formatOf[ticket.shape].hasPlainAnswers
    if (!isPlain && begun.find((byte) => byte > 32) !== openingBrace) {
      failure = { code: 'upstream_failed', message: 'The answer is not a JSON object' }
    }

    const outcome = (ended: Outcome['status']): Outcome => ({
      status: ended,
      httpStatus: status,
      error: failure,
      answer: keptAnswer(ticket, recorded.take(), { type: headers['content-type'] ?? '', truncated: kept.isTruncated }),
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
        else if (!isPlain && lastByte !== closingBrace) {
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
  const format = formatOf[shape]
  if (isObject(body) && own !== undefined && format.isOwnError(body)) {
    return 'detail' in body ? text : withDetail(text, own)
  }
  const message = own ?? error.message
  return JSON.stringify({ ...format.errorBody(status, message, 'upstream_failed'), detail: message })
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
        ? relayEvents(
            outgoing,
            ticket,
            ticket.isArray ? { ...given, source: geminiArray(given.source) } : given,
            options,
          )
        : relayLarge(outgoing, ticket, given, options)
    const isArray = ticket.isArray && given.kind === 'events'
    const headers = isArray ? { ...given.headers, 'content-type': 'application/json' } : given.headers
    return new Reply(write, ticketHeaders(ticket, record, headers), given.status)
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
  /** The cost of a call without a record still counts towards a budget, and towards the totals of its labels. */
  const leaveUnrecorded = async (call: FinishedCall): Promise<'off'> => {
    const labels = scrubbedLabels(call) ?? []
    const isCounted = call.isBudgeted || labels.length > 0
    const { usd, tokens } = isCounted ? await spentUnrecorded(call) : { usd: null, tokens: null }
    const { collectionId } = call.place
    const hasCost = usd !== null || tokens !== null
    // A database that went away meanwhile is no reason to take the answer back.
    const cost = { collectionId, taskId: 0, model: calledModel(call), runKey: null, usd, tokens: tokens ?? 0, labels }
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

export type { ModelCall, SaidInPath } from './read-call.ts'

export interface GatewayDeps extends AskDeps, BeginCallDeps, KeepDeps {
  limits: AskDeps['limits'] &
    Pick<RelayOptions, 'keptBytes' | 'stalledSeconds'> & {
      /** Bytes that all open answers together may keep for their records. */
      roomBytes: number
    }
  /** Interval at which the reservations of trial calls in flight are renewed. */
  renewMs?: number
}

/** A chat that asks for a runbook. */
interface RunbookAsked {
  runbookLabels: readonly StartLabel[]
}

interface SentCall {
  headers: IncomingHttpHeaders
  shape: Shape
  inPath: SaidInPath | undefined
  /** Reserves memory for more than two copies of the body. */
  room: Room
}

export interface Gateway {
  /**
   * Reads what a call asks of a model, of which a path of Google's has said a part. Only the labels of its header for a chat
   * that asks for a runbook instead. Throws `bad_request`, and what `room` throws.
   */
  read(bytes: Buffer, sent: SentCall): Promise<AskedBody | RunbookAsked>
  /** Sends a call to the model and returns its answer. Throws when there is none. */
  answer(call: ModelCall): Promise<Reply>
  /** Breaks off the calls that are under way, and resolves once all are on record, or after some seconds. */
  end(): Promise<void>
}

/** Throws for a compressed body: the gateway forwards and records bodies as they arrive. */
const requireUnpacked = (encoding = 'identity'): void => {
  if (encoding.trim().toLowerCase() === 'identity') return
  const message = `Bodies with Content-Encoding: ${headerText(encoding, 100)} are not accepted`
  throw new AppError('unsupported_encoding', message, { hint: 'Send the body uncompressed, without Content-Encoding.' })
}

const readCall: Gateway['read'] = async (bytes, { headers, shape, inPath, room }) => {
  requireUnpacked(headers['content-encoding'])
  const labels = headerLabels(headers)
  if (shapeFacts[shape].isForm) await room(bytesBesideForm(bytes))
  const asked = await doInSlices(
    shapeFacts[shape].isForm ? readAskedForm(bytes, headers['content-type'], shape) : readAsked(bytes, shape, inPath),
  )
  if (asked === 'runbook') return { runbookLabels: labels }
  const collection = asked.block.collection ?? headers['x-jetty-collection']?.toString()
  return { shape, asked, labels, collection: collection || undefined, receivedMs: now() }
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
    answer(call) {
      const stop = makeStop()
      call.onGone(() => stop.stop())
      call.onAccessEnd((why) => stop.stop(why))
      const one = { stop, isGone: call.isGone }
      return underWay.track(one, async () => {
        const { asked } = call.body
        const { ticket, environment } = await begin(call, one)
        const asking = ask({ ticket, asked, environment, headers: call.headers, stop })
        if (ticket.recorded) recorder.begin(ticket)
        const given = await asking.catch((thrown: unknown) => fail(call, ticket, thrown))
        return answer(call, ticket, withBlockWarnings(given, asked.block))
      })
    },
    end: underWay.end,
  }
}
