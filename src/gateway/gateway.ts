import type { IncomingHttpHeaders } from 'node:http'
import type { Reply } from '../http/reply.ts'
import { AppError } from '../lib/errors.ts'
import { doInSlices } from '../lib/slices.ts'
import { headerText } from '../lib/text/header-text.ts'
import { now } from '../lib/time.ts'
import type { Shape } from '../model/gateway/shape.ts'
import { makeStop } from '../providers/upstream/transport/stop.ts'
import { makeAnswerCall } from './answer-call.ts'
import { type AskDeps, makeAsk } from './ask/ask.ts'
import { type AskedBody, type ModelCall, readAsked } from './asked.ts'
import { type BeginCallDeps, makeBeginCall } from './begin-call.ts'
import { type KeepDeps, makeKeep } from './keep-call.ts'
import { makeOpenModelCalls } from './open-model-calls.ts'
import { makeAnswerRoom } from './relay/answer-room.ts'
import type { RelayOptions } from './relay/relay-events.ts'
import { withBlockWarnings } from './unknown-in-block.ts'

export type { ModelCall } from './asked.ts'

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
