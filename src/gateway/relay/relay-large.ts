import type { ServerResponse } from 'node:http'
import { makeByteBlocks } from '../../lib/memory/byte-blocks.ts'
import type { LargeAnswer } from '../../providers/upstream/answer.ts'
import type { Outcome, Ticket } from '../ticket.ts'
import { makePace } from './pace.ts'
import type { RelayOptions } from './relay-events.ts'

const openingBrace = 123
const closingBrace = 125

/**
 * Passes on an answer that is too large to wait for. Its last bytes wait for the record; the connection of an answer that
 * breaks off is closed before its announced end.
 */
export const relayLarge = (
  outgoing: ServerResponse,
  ticket: Ticket,
  { status, begun, rest, firstByteMs }: LargeAnswer & { status: number; firstByteMs: number },
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
    if (begun.find((byte) => byte > 32) !== openingBrace) {
      failure = { code: 'upstream_failed', message: 'The answer is not a JSON object' }
    }

    const outcome = (ended: Outcome['status']): Outcome => ({
      status: ended,
      httpStatus: status,
      error: failure,
      answer: { kind: 'json', bytes: recorded.take(), truncated: kept.isTruncated },
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
        else if (lastByte !== closingBrace) {
          failure ??= { code: 'upstream_failed', message: 'The answer ended in the middle' }
        }
        void settle(failure ? 'failed' : 'completed')
      },
    })
  })
