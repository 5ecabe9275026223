import type { ServerResponse } from 'node:http'
import type { LargeAnswer } from '../../upstream/answer.ts'
import type { Outcome, Ticket } from '../ticket.ts'
import { makePace } from './pace.ts'
import type { RelayOptions } from './relay-events.ts'

const openingBrace = 123
const closingBrace = 125

const firstOf = (chunks: Buffer[]): number | undefined => Buffer.concat(chunks).find((byte) => byte > 32)

/**
 * Passes on an answer that is too large to wait for. Its last chunk waits for the record; the connection of an answer that
 * breaks off is closed before its announced end.
 */
export const relayLarge = (
  outgoing: ServerResponse,
  ticket: Ticket,
  { status, chunks, rest, firstByteMs }: LargeAnswer & { status: number; firstByteMs: number },
  { keep, keptBytes, room, stalledSeconds }: RelayOptions,
): Promise<void> =>
  new Promise((resolve, reject) => {
    const pieces: Buffer[] = []
    const kept = room(keptBytes)
    let held: Buffer | undefined
    let failure: Outcome['error'] = null
    let isOver = false
    if (firstOf(chunks) !== openingBrace)
      failure = { code: 'upstream_failed', message: 'The answer is not a JSON object' }

    const outcome = (ended: Outcome['status']): Outcome => ({
      status: ended,
      httpStatus: status,
      error: failure,
      answer: { kind: 'json', bytes: Buffer.concat(pieces), truncated: kept.isTruncated },
      firstByteMs,
    })
    const settle = async (ended: Outcome['status']) => {
      isOver = true
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
    const take = (chunk: Buffer): boolean => {
      if (kept.add(chunk.length)) pieces.push(chunk)
      const passed = held
      held = chunk
      return passed === undefined || outgoing.write(passed)
    }

    for (const chunk of chunks) take(chunk)
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
        if (!isOver && !take(chunk)) waitForClient()
      },
      end(problem) {
        if (isOver) return
        if (problem?.code === 'cancelled') return cancel()
        if (problem) failure = { code: problem.code, message: problem.message }
        else if (held?.findLast((byte) => byte > 32) !== closingBrace) {
          failure ??= { code: 'upstream_failed', message: 'The answer ended in the middle' }
        }
        void settle(failure ? 'failed' : 'completed')
      },
    })
  })
