import type { ServerResponse } from 'node:http'
import { toAppError } from '../../lib/errors.ts'
import type { StatedFailure } from '../../providers/upstream/formats/format.ts'
import { formatOf } from '../../providers/upstream/formats/formats.ts'
import type { FrameStream } from '../../providers/upstream/frames/sse.ts'
import type { Keep, Outcome, Ticket } from '../ticket.ts'
import type { KeptEvents } from './kept-events.ts'

/** Ends a relayed answer, once: records it, then sends its last event. */
interface AnswerEnding {
  readonly isOver: boolean
  /** The failure that the record will have. */
  readonly failure: Outcome['error']
  /** Notes a failure that the provider states. The first one counts. */
  note(failure: StatedFailure | undefined): void
  /** Sends the last event, and after a failure closes the connection, so that no client takes the answer for whole. */
  end(last: Buffer | undefined): void
  /** Stops the provider and ends the answer with an error event. */
  fail(problem: StatedFailure): void
  /** Stops the provider and records the answer as cancelled. */
  cancel(): void
}

interface EndingOptions {
  outgoing: ServerResponse
  source: Pick<FrameStream, 'abort'>
  ticket: Ticket
  status: number
  firstByteMs: number
  kept: KeptEvents
  keep: Keep
  stalledSeconds: number
  /** Called once, with the error if recording failed. */
  onEnded(error?: unknown): void
}

/** Makes the ending of an answer. A disconnect of the client cancels it. */
export const makeAnswerEnding = (options: EndingOptions): AnswerEnding => {
  const { outgoing, source, ticket, kept, keep, stalledSeconds, onEnded } = options
  const format = formatOf[ticket.shape]
  let failure: Outcome['error'] = null
  let isOver = false

  const record = (status: Outcome['status']) => {
    const { status: httpStatus, firstByteMs } = options
    const outcome: Outcome = { status, httpStatus, error: failure, answer: kept.recorded(), firstByteMs }
    return keep(ticket, outcome).finally(kept.free)
  }

  const struckOut = ({ code, message }: StatedFailure): StatedFailure => ({ code, message: ticket.scrub.text(message) })

  /** The last event waits for the record. If recording fails, the answer does not end well. */
  const end = async (last: Buffer | undefined): Promise<void> => {
    isOver = true
    outgoing.off('close', cancel)
    try {
      await record(failure ? 'failed' : 'completed')
    } catch (error) {
      await breakOff(outgoing, format.errorEvent(struckOut(toAppError(error))), stalledSeconds)
      return onEnded(error)
    }
    if (failure) await breakOff(outgoing, last, stalledSeconds)
    else outgoing.end(last)
    onEnded()
  }

  const cancel = () => {
    if (isOver) return
    isOver = true
    source.abort()
    record('cancelled').then(() => onEnded(), onEnded)
  }

  outgoing.on('close', cancel)
  return {
    get isOver() {
      return isOver
    },
    get failure() {
      return failure
    },
    note(stated) {
      failure ??= stated ?? null
    },
    end: (last) => void end(last),
    fail(problem) {
      source.abort()
      failure = struckOut(problem)
      void end(format.errorEvent(failure))
    },
    cancel,
  }
}

/** Closes the connection after the last event, so that no client takes it for a complete answer. */
const breakOff = (outgoing: ServerResponse, last: Buffer | undefined, stalledSeconds: number): Promise<void> =>
  new Promise((left) => {
    if (outgoing.destroyed) return left()
    outgoing.once('close', left)
    outgoing.setTimeout(stalledSeconds * 1000)
    if (last) outgoing.write(last, () => outgoing.destroy())
    else if (outgoing.socket)
      outgoing.socket.write('', () => outgoing.destroy()) // after what was written before
    else outgoing.destroy()
  })
