import type { ServerResponse } from 'node:http'
import type { Environment } from '../engine/environment/environment.ts'
import type { PlacedAdmission } from '../http/authorise.ts'
import type { SocketCall } from '../http/implement.ts'
import { AppError, toAppError } from '../lib/errors.ts'
import { headerText } from '../lib/text/header-text.ts'
import { now, pause } from '../lib/time.ts'
import type { Shape } from '../model/gateway/shape.ts'
import type { CallCost } from '../store/calls/budget.ts'
import type { Lending } from '../store/collections/lending.ts'
import type { Quota } from '../store/collections/quota.ts'
import { refusedStatus, type UpstreamAnswer } from '../upstream/answer.ts'
import { clientLeft, makeStop, type Stop } from '../upstream/transport/stop.ts'
import { keepAnswer } from './ask/answer-cache.ts'
import { type AskDeps, makeAsk } from './ask/ask.ts'
import { type AskedCall, readAsked } from './asked.ts'
import { inTime, neededInTime } from './in-time.ts'
import { isOwnTask } from './own-workflows.ts'
import type { FinishedCall } from './record/finished-call.ts'
import { spentUnrecorded } from './record/recorded-answer.ts'
import type { Recorder } from './record/recorder.ts'
import { refusedBody } from './refused.ts'
import { makeAnswerRoom } from './relay/answer-room.ts'
import { type RelayOptions, relayEvents } from './relay/relay-events.ts'
import { relayLarge } from './relay/relay-large.ts'
import { finishedCall, type Keep, makeTicket, type Outcome, type Ticket, ticketHeaders } from './ticket.ts'
import { beginTrialCall, endTrialCall } from './trial-call.ts'
import { withBlockWarnings } from './unknown-in-block.ts'

export interface GatewayDeps extends AskDeps {
  /** The variables of one version of an environment, and the keys of these names as lent ones. */
  environmentOf(id: number | null, lent: readonly string[]): Environment | Promise<Environment>
  lending: Lending
  /** What collections may store: a call that is to be recorded needs room. */
  quota: Pick<Quota, 'require'>
  /** Writes a call down: in Postgres, or in a file where that is away. */
  recorder: Recorder
  /** An id that no run has, for a call whose client is told it before it is written down. */
  drawTrajectoryId(): string
  /** Counts what a call has used that leaves no record. */
  spend(cost: CallCost): Promise<void>
  limits: AskDeps['limits'] &
    Pick<RelayOptions, 'keptBytes' | 'stalledSeconds'> & {
      /** Bytes that all open answers together may keep for their records. */
      roomBytes: number
    }
  /** Whether calls that cannot be recorded in Postgres are refused. */
  recordingRequired: boolean
  /** How often it is said of calls in a trial that they are still under way. */
  renewMs?: number
}

export interface Gateway {
  /** Gives the body of a chat that asks for a runbook: it is for somebody else, and nothing was answered. */
  answer(call: SocketCall, shape: Shape): Promise<Buffer | undefined>
  /** Ends what is under way, as broken off, and resolves once all of it is on record, or after some seconds. */
  end(): Promise<void>
}

/** How long to wait for the records of what was ended. */
const endWithinMs = 10_000

const renewTrialsMs = 60_000

const serverStops = (): AppError =>
  new AppError('stopping', 'The server is being stopped; the answer was broken off', {
    hint: 'Send the call again.',
    retryAfterSeconds: 1,
  })

/** Who is known is admitted as before where the database is silent, and sooner than this. */
const admittedWithinMs = 5_000

/** What a call is stopped by, and what it has reserved of a trial until it ends. */
interface Hold {
  stop: Stop
  trial?: { collectionId: number; runKey: string }
}

/** A call that has not ended, whoever waits for it. */
interface UnderWay {
  call: SocketCall
  hold: Hold
  ended: Promise<unknown>
}

/** A call that is on its way. */
interface Started {
  ticket: Ticket
  given: Promise<UpstreamAnswer>
}

/** Who admitted it a moment ago was right about everything that the call was begun with. */
const isSame = (before: PlacedAdmission, now: PlacedAdmission): boolean =>
  before.collection.id === now.collection.id &&
  before.collection.environment_id === now.collection.environment_id &&
  before.identity.keyId === now.identity.keyId &&
  JSON.stringify(before.collection.settings) === JSON.stringify(now.collection.settings)

/** The id of the request, which that of a provider replaces: its support asks for it. */
const idOf = ({ requestId }: SocketCall) => ({ 'x-request-id': requestId })

const unrecordable = (): AppError =>
  new AppError('database_unavailable', 'The call cannot be recorded: the database does not answer right now', {
    hint: 'JETTY_RECORDING_REQUIRED refuses calls that are not on record. Try again in a moment.',
    retryAfterSeconds: 1,
  })

const noRoom = (): AppError =>
  new AppError('busy', 'There is no room for the record of another call: more end than can be written down', {
    hint: 'Try again in a moment. While the database is away, JETTY_SPILL_BYTES is what fits into files.',
    retryAfterSeconds: 5,
  })

/** Throws for a body that is packed: it is passed on and recorded as it comes. */
const requireUnpacked = (encoding = 'identity'): void => {
  if (encoding.trim().toLowerCase() === 'identity') return
  throw new AppError(
    'unsupported_encoding',
    `A body with Content-Encoding: ${headerText(encoding, 100)} is not taken`,
    {
      hint: 'Send it as it is, without Content-Encoding.',
    },
  )
}

/** A key that may read alone neither makes tasks nor writes among the runs of others: its calls go to the server's own. */
const requireNaming = ({ identity }: PlacedAdmission, task: string | undefined): void => {
  if (identity.access !== 'READ' || task === undefined || isOwnTask(task)) return
  throw new AppError('forbidden', 'Access level WRITE required.', {
    hint: 'Leave jetty.task out, or use a key with the access level WRITE: it names the task that a call is recorded under.',
  })
}

/**
 * Makes the gateway: it passes calls of models on to whoever serves them and the answers back, byte by byte where both
 * speak the same, and leaves a record of each before the last byte.
 */
export const makeGateway = (deps: GatewayDeps): Gateway => {
  const ask = makeAsk(deps)
  /** What it cost counts all the same, where there is a budget. */
  const leaveUnrecorded = async (call: FinishedCall): Promise<'off'> => {
    const { usd, tokens } = call.isBudgeted ? await spentUnrecorded(call) : { usd: null, tokens: null }
    const { collectionId } = call.place
    const hasCost = usd !== null || tokens !== null
    // A database that went away meanwhile is no reason to take the answer back.
    if (hasCost) await inTime(deps.spend({ collectionId, runKey: null, usd, tokens: tokens ?? 0 })).catch(() => {})
    return 'off'
  }
  const keep: Keep = async (ticket, outcome) => {
    const call = finishedCall(ticket, outcome)
    const record = ticket.recorded ? deps.recorder.keep(call) : leaveUnrecorded(call)
    const answer = ticket.cacheKey && inTime(keepAnswer(deps.cache, ticket.cacheKey, call))
    const trial = ticket.trial && inTime(endTrialCall(deps.lending, ticket))
    return (await Promise.all([record, answer, trial]))[0]
  }
  const relayOptions = { keep, room: makeAnswerRoom(deps.limits.roomBytes), ...deps.limits }

  const start = async (
    call: SocketCall,
    asked: AskedCall,
    shape: Shape,
    admission: PlacedAdmission,
    startedMs: number,
    hold: Hold,
  ): Promise<Started> => {
    requireNaming(admission, asked.block.task)
    const { stop } = hold
    const trial = asked.block.use_trial_keys ? await neededInTime(beginTrialCall(deps.lending, admission)) : undefined
    if (trial) hold.trial = { collectionId: admission.collection.id, runKey: trial.runKey }
    const environment = await neededInTime(deps.environmentOf(admission.collection.environment_id, trial?.lent ?? []))
    const ticket = makeTicket({
      ...{ shape, asked, headers: call.incoming.headers, admission, environment, startedMs, trial },
      trajectoryId: deps.drawTrajectoryId(),
    })
    if (ticket.recorded && deps.recorder.full) throw noRoom()
    const room = ticket.recorded ? deps.quota.require(admission.collection.id) : undefined
    if (room) await neededInTime(room)
    const given = ask({ ticket, asked, environment, headers: call.incoming.headers, stop })
    given.catch(() => {}) // looked at once the call is admitted
    return { ticket, given }
  }

  /** Begins with what was known a moment ago, and once more where that is not so any longer. */
  const admitAndStart = async (call: SocketCall, asked: AskedCall, shape: Shape, hold: Hold) => {
    const startedMs = now()
    const named = asked.block.collection ?? call.incoming.headers['x-jetty-collection']?.toString()
    const admission = call.admit(named || undefined)
    const begin = (admitted: PlacedAdmission) => start(call, asked, shape, admitted, startedMs, hold)
    // What a trial pays for is counted, and that once: it begins when it is admitted.
    const known = asked.block.use_trial_keys ? undefined : admission.known
    const early = known && begin(known)
    early?.catch(() => {})
    try {
      const checked = await neededInTime(admission.checked, admittedWithinMs)
      const isRight = known && (known === checked || isSame(known, checked))
      if (early && !isRight) {
        if (hold.stop.reason) throw hold.stop.reason // nobody waits for it any more
        hold.stop.stop()
        hold.stop = makeStop()
      }
      const started = await (early && isRight ? early : begin(checked))
      started.ticket.databaseAway = checked.databaseAway
      if (checked.databaseAway && deps.recordingRequired && started.ticket.recorded) throw unrecordable()
      if (started.ticket.recorded) deps.recorder.begin(started.ticket)
      return started
    } catch (error) {
      hold.stop.stop()
      throw error
    }
  }

  const send = (call: SocketCall, status: number, headers: Record<string, string>, body: Buffer | string): void => {
    call.answering(status, 'whole')
    const length = String(Buffer.byteLength(body))
    call.outgoing.writeHead(status, { ...idOf(call), ...headers, 'content-length': length }).end(body)
  }

  /** The head of an answer whose end is not known yet. */
  const begin = (call: SocketCall, ticket: Ticket, given: UpstreamAnswer): void => {
    const record = !ticket.recorded ? 'off' : ticket.databaseAway ? 'spilled' : 'on'
    call.answering(given.status, given.kind === 'events' ? 'stream' : 'whole')
    call.outgoing.writeHead(given.status, { ...idOf(call), ...given.headers, ...ticketHeaders(ticket, record) })
  }

  const relay = async (call: SocketCall, ticket: Ticket, given: UpstreamAnswer): Promise<void> => {
    const { outgoing } = call
    const { status, headers, firstByteMs } = given
    if (given.kind === 'events') {
      begin(call, ticket, given)
      return relayEvents(outgoing, ticket, given, relayOptions)
    }
    if (given.kind === 'large') {
      begin(call, ticket, given)
      return relayLarge(outgoing, ticket, given, relayOptions)
    }
    const isRefused = given.kind === 'refused'
    const answer = { kind: 'json' as const, bytes: given.bytes, truncated: false }
    const failure = isRefused ? given.error : given.failure
    const error = failure ? { code: failure.code, message: failure.message } : null
    const outcome: Outcome = { status: error ? 'failed' : 'completed', httpStatus: status, error, answer, firstByteMs }
    const record = await keep(ticket, outgoing.destroyed ? { ...outcome, status: 'cancelled' } : outcome)
    const told = { ...headers, ...ticketHeaders(ticket, record) }
    if (!isRefused) return send(call, status, told, given.bytes)
    const text = refusedBody(
      ticket.shape,
      refusedStatus(status),
      ticket.scrub.text(given.bytes.toString()),
      given.error,
    )
    send(call, refusedStatus(status), { ...told, 'content-type': 'application/json' }, text)
  }

  /** Writes down that nobody gave an answer, and tells so. */
  const fail = async ({ outgoing }: SocketCall, ticket: Ticket, thrown: unknown): Promise<never> => {
    const { code, message, hint } = toAppError(thrown)
    const record = await keep(ticket, {
      status: code === 'cancelled' ? 'cancelled' : 'failed',
      httpStatus: null,
      error: { code, message: ticket.scrub.text(message), hint },
      answer: null,
      firstByteMs: null,
    })
    if (!outgoing.headersSent) {
      for (const [name, value] of Object.entries(ticketHeaders(ticket, record))) outgoing.setHeader(name, value)
    }
    throw thrown
  }

  const carryOut = async (call: SocketCall, shape: Shape, hold: Hold): Promise<Buffer | undefined> => {
    whenGone(call.outgoing, () => hold.stop.stop())
    requireUnpacked(call.incoming.headers['content-encoding'])
    const body = await call.readBody()
    const asked = readAsked(body, shape)
    if (asked === 'runbook') return body
    const { ticket, given } = await admitAndStart(call, asked, shape, hold)
    const answer = await given.catch((thrown: unknown) => fail(call, ticket, thrown))
    await relay(call, ticket, withBlockWarnings(answer, asked.block))
    return undefined
  }

  const underWay = new Set<UnderWay>()
  const renewTrials = () => {
    const calls = [...underWay].flatMap(({ hold: { trial } }) => trial ?? [])
    if (calls.length > 0) deps.lending.renew(calls).catch(() => {}) // while the database is away nobody sweeps either
  }
  const renewing = setInterval(renewTrials, deps.renewMs ?? renewTrialsMs)
  renewing.unref()

  return {
    async answer(call, shape) {
      const hold = { stop: makeStop() }
      const one = { call, hold, ended: carryOut(call, shape, hold) }
      underWay.add(one)
      return one.ended.finally(() => underWay.delete(one))
    },
    async end() {
      const late = new AbortController()
      for (const { call, hold } of underWay)
        hold.stop.stop(call.incoming.socket.destroyed ? clientLeft() : serverStops())
      const ended = Promise.allSettled([...underWay].map((one) => one.ended))
      await Promise.race([ended, pause(endWithinMs, late.signal)])
      late.abort()
      clearInterval(renewing)
    },
  }
}

/** Calls back where the client leaves before its answer is complete. */
const whenGone = (outgoing: ServerResponse, left: () => void): void => {
  outgoing.once('close', () => {
    if (!outgoing.writableFinished) left()
  })
}
