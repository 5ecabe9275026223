import { Reply } from '../http/reply.ts'
import { AppError } from '../lib/errors.ts'
import { pause } from '../lib/time.ts'
import { clientLeft, type Stop } from '../providers/upstream/transport/stop.ts'
import type { Lending } from '../store/collections/lending.ts'

/** A call that has not ended yet. */
export interface OpenModelCall {
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
export const makeOpenModelCalls = (lending: Pick<Lending, 'renew'>, renewMs = renewTrialsMs): OpenModelCalls => {
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
