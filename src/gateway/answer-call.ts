import { noRetry } from '../http/errors.ts'
import { Reply } from '../http/reply.ts'
import { toAppError } from '../lib/errors.ts'
import { refusedStatus, type UpstreamAnswer } from '../providers/upstream/answer.ts'
import type { ModelCall } from './asked.ts'
import { refusedBody } from './refused.ts'
import { type RelayOptions, relayEvents } from './relay/relay-events.ts'
import { relayLarge } from './relay/relay-large.ts'
import { type Outcome, type Ticket, ticketHeaders } from './ticket.ts'

type Streamed = Extract<UpstreamAnswer, { kind: 'events' | 'large' }>
type Whole = Extract<UpstreamAnswer, { kind: 'whole' | 'refused' }>

/** Makes the answer to a call from the answer of the model. The call is recorded before the last byte is sent. */
export const makeAnswerCall = (options: RelayOptions) => {
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
