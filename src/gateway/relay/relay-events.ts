import type { ServerResponse } from 'node:http'
import { type AppError, toAppError } from '../../lib/errors.ts'
import { formatOf } from '../../upstream/formats/formats.ts'
import { type Frame, type FrameStream, isEventData } from '../../upstream/frames/sse.ts'
import type { Keep, Outcome, Ticket } from '../ticket.ts'
import type { AnswerRoom } from './answer-room.ts'
import { makePace } from './pace.ts'

export interface EventsAnswer {
  status: number
  headers: Record<string, string>
  source: FrameStream
  firstByteMs: number
}

export interface RelayOptions {
  keep: Keep
  /** Maximum bytes of an answer that are kept for its record. */
  keptBytes: number
  room: AnswerRoom
  /** Seconds without a read after which a client is disconnected. */
  stalledSeconds: number
}

/** Events of up to this size are kept from the end of an answer whose middle was too large to keep. */
const longestEnd = 4096

const broken = (ticket: Ticket) => ({
  code: 'upstream_failed',
  message: `${ticket.provider?.name ?? 'The provider'} ended its answer early`,
})

const unreadable = (ticket: Ticket) => ({
  code: 'upstream_failed',
  message: `${ticket.provider?.name ?? 'The provider'} sent an event that is not JSON`,
})

/**
 * Forwards the events of an answer as they arrive. Resolves when the answer has ended in one of three ways: its last
 * event was sent after the record was committed; an error event was sent and the connection closed; or the client
 * disconnected. A slow client slows the provider down.
 */
export const relayEvents = (
  outgoing: ServerResponse,
  ticket: Ticket,
  { status, source, firstByteMs }: EventsAnswer,
  { keep, keptBytes, room, stalledSeconds }: RelayOptions,
): Promise<void> =>
  new Promise((resolve, reject) => {
    const data: string[] = []
    let ends: string[] = []
    const kept = room(keptBytes)
    let hasPieces = false
    const format = formatOf[ticket.shape]
    const reader = format.makeReader()
    let failure: Outcome['error'] = null
    let isOver = false

    const outcome = (ended: Outcome['status']): Outcome => ({
      status: ended,
      httpStatus: status,
      error: failure,
      answer: {
        kind: 'events',
        data: ends.length === 0 ? data : [...data, ...ends],
        truncated: kept.isTruncated || hasPieces,
      },
      firstByteMs,
    })
    const record = (ended: Outcome['status']) => keep(ticket, outcome(ended)).finally(kept.free)

    /** Closes the connection after the last event, so that no client takes it for a complete answer. */
    const breakOff = (last: Buffer | undefined) =>
      new Promise<void>((left) => {
        if (outgoing.destroyed) return left()
        outgoing.once('close', left)
        outgoing.setTimeout(stalledSeconds * 1000)
        if (last) outgoing.write(last, () => outgoing.destroy())
        else outgoing.destroy()
      })

    /** The last event waits for the record. If recording fails, the answer does not end well. */
    const end = async (last: Buffer | undefined) => {
      isOver = true
      outgoing.off('close', cancel)
      try {
        await record(failure ? 'failed' : 'completed')
      } catch (error) {
        const { code, message } = toAppError(error)
        await breakOff(format.errorEvent({ code, message: ticket.scrub.text(message) }))
        return reject(error)
      }
      if (failure) await breakOff(last)
      else outgoing.end(last)
      resolve()
    }

    const fail = (problem: NonNullable<Outcome['error']>) => {
      source.abort()
      failure = { code: problem.code, message: ticket.scrub.text(problem.message) }
      void end(format.errorEvent(failure))
    }

    const cancel = () => {
      if (isOver) return
      isOver = true
      source.abort()
      record('cancelled').then(() => resolve(), reject)
    }

    /** Once nothing more is kept, the events that state the end and the usage still are. */
    const remember = (text: string, isEnd: boolean) => {
      if (kept.add(text.length)) data.push(text)
      else if (text.length < longestEnd && (isEnd || format.mayStateUsage.test(text))) ends = [...ends.slice(-1), text]
    }

    /** Takes one event. Returns the bytes to pass on now, or undefined if the answer is over. */
    const take = ({ bytes, data: text, isPiece }: Frame): Buffer | undefined => {
      if (isPiece) hasPieces = true
      if (text === undefined) return bytes
      if (!isEventData(text)) {
        fail(unreadable(ticket))
        return undefined
      }
      const meaning = reader.take(text)
      failure ??= meaning.failure ?? null
      if (text !== '[DONE]') remember(text, meaning.hasFinished)
      // An error may quote the request, and secrets with it.
      const passed = meaning.failure ? Buffer.from(ticket.scrub.text(bytes.toString())) : bytes
      if (!meaning.isLast) return passed
      void end(failure && !meaning.failure ? undefined : passed)
      return undefined
    }

    if (outgoing.destroyed) return cancel()
    outgoing.on('close', cancel)
    const waitForClient = makePace(outgoing, source, stalledSeconds)
    source.readTo({
      take(frames) {
        if (isOver) return source.abort()
        const passed: Buffer[] = []
        let left: Buffer | undefined
        for (const frame of frames) {
          left = take(frame)
          if (left === undefined) break
          passed.push(left)
        }
        if (passed.length === 0) return
        // Earlier events are sent before the record is written.
        const more = outgoing.write(passed.length === 1 ? passed[0] : Buffer.concat(passed))
        if (!more && !isOver) waitForClient()
      },
      end(problem: AppError | undefined) {
        if (isOver) return
        if (problem?.code === 'cancelled') return cancel()
        const added = format.lastEvent
        if (problem) fail(problem)
        else if (failure) void end(undefined)
        else if (reader.isFinished && added) void end(added)
        else fail(broken(ticket))
      },
    })
  })
