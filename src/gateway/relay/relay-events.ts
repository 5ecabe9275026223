import type { ServerResponse } from 'node:http'
import { type AppError, toAppError } from '../../lib/errors.ts'
import { makePace } from '../ask/pace.ts'
import type { Keep, Outcome, Ticket } from '../ticket.ts'
import type { AnswerRoom } from './answer-room.ts'
import type { Frame, FrameSource } from './frames.ts'
import { errorEvent, isEventData, lastEvent, meaningOf } from './meaning.ts'

export interface EventsAnswer {
  status: number
  headers: Record<string, string>
  source: FrameSource
  firstByteMs: number
}

export interface RelayOptions {
  keep: Keep
  /** Bytes of an answer that are kept for its record, as far as there is room for them. */
  keptBytes: number
  room: AnswerRoom
  /** How long a client may take nothing of what waits for it. */
  stalledSeconds: number
}

/** Of what comes after the part that is kept. */
const longestEnd = 4096
const usage = /"usage"\s*:\s*\{/

const broken = (ticket: Ticket) => ({
  code: 'upstream_failed',
  message: `${ticket.provider?.name ?? 'The provider'} ended its answer in the middle`,
})

const unreadable = (ticket: Ticket) => ({
  code: 'upstream_failed',
  message: `${ticket.provider?.name ?? 'The provider'} sent something that is no event of an answer`,
})

/**
 * Passes the events of an answer on as they come, and resolves when the answer has ended in one of three ways: its last
 * event left after the record was committed; an error event left and the connection was broken; or the client went away.
 * Where the client reads slowly the provider is read slowly.
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
    let hasFinished = false
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

    /** Without an end that looks like one, once the last event has left. */
    const breakOff = (last: Buffer | undefined) =>
      new Promise<void>((left) => {
        if (outgoing.destroyed) return left()
        outgoing.once('close', left)
        outgoing.setTimeout(stalledSeconds * 1000)
        if (last) outgoing.write(last, () => outgoing.destroy())
        else outgoing.destroy()
      })

    /** The last byte waits for the record; one that is on no record has no end either. */
    const end = async (last: Buffer | undefined) => {
      isOver = true
      outgoing.off('close', cancel)
      try {
        await record(failure ? 'failed' : 'completed')
      } catch (error) {
        const { code, message } = toAppError(error)
        await breakOff(errorEvent(ticket.shape, { code, message: ticket.scrub.text(message) }))
        return reject(error)
      }
      if (failure) await breakOff(last)
      else outgoing.end(last)
      resolve()
    }

    const fail = (problem: NonNullable<Outcome['error']>) => {
      source.abort()
      failure = { code: problem.code, message: ticket.scrub.text(problem.message) }
      void end(errorEvent(ticket.shape, failure))
    }

    const cancel = () => {
      if (isOver) return
      isOver = true
      source.abort()
      record('cancelled').then(() => resolve(), reject)
    }

    /** Where no more is kept, it is still known why it ended, and what it has used. */
    const remember = (text: string, isEnd: boolean) => {
      if (kept.add(text.length)) data.push(text)
      else if (text.length < longestEnd && (isEnd || usage.test(text))) ends = [...ends.slice(-1), text]
    }

    /** Takes in one event; the bytes to pass on now, or none where the answer is over. */
    const take = ({ bytes, data: text, isPiece }: Frame): Buffer | undefined => {
      if (isPiece) hasPieces = true
      if (text === undefined) return bytes
      if (!isEventData(text)) {
        fail(unreadable(ticket))
        return undefined
      }
      const meaning = meaningOf(ticket.shape, text)
      failure ??= meaning.failure ?? null
      hasFinished ||= meaning.hasFinished
      if (text !== '[DONE]') remember(text, meaning.hasFinished)
      // Errors quote the request at times, and its key with it.
      const passed = meaning.failure ? Buffer.from(ticket.scrub.text(bytes.toString())) : bytes
      if (!meaning.isLast) return passed
      void end(failure && !meaning.failure ? undefined : passed)
      return undefined
    }

    if (outgoing.destroyed) return cancel()
    outgoing.on('close', cancel)
    const waitForClient = makePace(outgoing, source, stalledSeconds)
    source.readTo({
      frames(frames) {
        if (isOver) return source.abort() // there is nothing more to say
        const passed: Buffer[] = []
        let left: Buffer | undefined
        for (const frame of frames) {
          left = take(frame)
          if (left === undefined) break
          passed.push(left)
        }
        if (passed.length === 0) return
        // What stood before the last event leaves before the record of the call is written.
        const more = outgoing.write(passed.length === 1 ? passed[0] : Buffer.concat(passed))
        if (!more && !isOver) waitForClient()
      },
      end(problem: AppError | undefined) {
        if (isOver) return
        if (problem?.code === 'cancelled') return cancel()
        const added = lastEvent(ticket.shape)
        if (problem) fail(problem)
        else if (failure) void end(undefined)
        else if (hasFinished && added) void end(added)
        else fail(broken(ticket))
      },
    })
  })
