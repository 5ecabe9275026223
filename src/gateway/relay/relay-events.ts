import type { ServerResponse } from 'node:http'
import type { AppError } from '../../lib/errors.ts'
import { formatOf } from '../../providers/upstream/formats/formats.ts'
import { isOnlyUsage } from '../../providers/upstream/formats/openai.ts'
import { type Frame, type FrameStream, isEventData } from '../../providers/upstream/frames/sse.ts'
import type { Keep, Ticket } from '../ticket.ts'
import { makeAnswerEnding } from './answer-ending.ts'
import type { AnswerRoom } from './answer-room.ts'
import { keepEvents } from './kept-events.ts'
import { makePace } from './pace.ts'

interface EventsAnswer {
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

const nothing = Buffer.alloc(0)

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
    const format = formatOf[ticket.shape]
    const reader = format.makeReader()
    const kept = keepEvents(room, keptBytes, format.mayStateUsage)
    const onEnded = (error?: unknown) => (error === undefined ? resolve() : reject(error))
    const answer = { outgoing, source, ticket, status, firstByteMs, kept }
    const ending = makeAnswerEnding({ ...answer, keep, stalledSeconds, onEnded })

    /** Takes one event. Returns the bytes to pass on now, or undefined if the answer is over. */
    const take = ({ bytes, data: text, isPiece }: Frame): Buffer | undefined => {
      if (isPiece) kept.noteUnread()
      if (text === undefined) return bytes
      if (!isEventData(text)) {
        ending.fail(unreadable(ticket))
        return undefined
      }
      const meaning = reader.take(text)
      ending.note(meaning.failure)
      if (text !== '[DONE]') kept.add(text, meaning.hasFinished)
      if (ticket.hidesUsage && isOnlyUsage(text)) return nothing
      // An error may quote the request, and secrets with it.
      const passed = meaning.failure ? Buffer.from(ticket.scrub.text(bytes.toString())) : bytes
      if (!meaning.isLast) return passed
      ending.end(ending.failure && !meaning.failure ? undefined : passed)
      return undefined
    }

    if (outgoing.destroyed) return ending.cancel()
    const waitForClient = makePace(outgoing, source, stalledSeconds)
    source.readTo({
      take(frames) {
        if (ending.isOver) return source.abort()
        const passed: Buffer[] = []
        for (const frame of frames) {
          const bytes = take(frame)
          if (bytes === undefined) break
          passed.push(bytes)
        }
        if (passed.length === 0) return
        // Earlier events are sent before the record is written.
        const more = outgoing.write(passed.length === 1 ? passed[0] : Buffer.concat(passed))
        if (!more && !ending.isOver) waitForClient()
      },
      end(problem: AppError | undefined) {
        if (ending.isOver) return
        if (problem?.code === 'cancelled') return ending.cancel()
        if (problem) ending.fail(problem)
        else if (ending.failure) ending.end(undefined)
        else if (reader.isFinished && format.lastEvent) ending.end(format.lastEvent)
        else ending.fail(broken(ticket))
      },
    })
  })
