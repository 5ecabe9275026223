import type { ServerResponse } from 'node:http'
import type { AppError } from '../lib/errors.ts'
import { makePace } from './pace.ts'
import type { RelayOptions } from './relay-events.ts'
import type { Outcome, Ticket } from './ticket.ts'
import type { UpstreamAnswer } from './upstream.ts'

type Rest = Pick<UpstreamAnswer, 'readTo' | 'resume' | 'pause' | 'abort'>

/** The beginning of an answer, and the rest where there is one. */
export interface Beginning {
  chunks: Buffer[]
  /** Undefined: the chunks are all of it. */
  rest: Rest | undefined
}

/** An answer that goes on. */
export interface LargeAnswer {
  chunks: Buffer[]
  rest: Rest
}

/** Reads an answer up to its end, or a little more than `mostBytes`. Rejects where it breaks off before. */
export const readBeginning = (answer: UpstreamAnswer, mostBytes: number): Promise<Beginning> =>
  new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let size = 0
    let sink: Parameters<UpstreamAnswer['readTo']>[0] | undefined
    const later: Buffer[] = []
    let ended: { problem: AppError | undefined } | undefined
    const readTo: UpstreamAnswer['readTo'] = (taker) => {
      sink = taker
      for (const chunk of later.splice(0)) taker.data(chunk)
      if (ended) taker.end(ended.problem)
      else answer.resume()
    }
    answer.readTo({
      data(chunk) {
        if (sink) return sink.data(chunk)
        if (size > mostBytes) return void later.push(chunk)
        chunks.push(chunk)
        size += chunk.length
        if (size <= mostBytes) return
        answer.pause()
        resolve({ chunks, rest: { ...answer, readTo } })
      },
      end(problem) {
        if (sink) return sink.end(problem)
        ended = { problem }
        if (problem) reject(problem)
        else resolve({ chunks, rest: undefined })
      },
    })
  })

const openingBrace = 123
const closingBrace = 125

/** The JSON object that bytes are; undefined where they are none. */
export const jsonObjectIn = (bytes: Buffer): Record<string, unknown> | undefined => {
  try {
    const value: unknown = JSON.parse(bytes.toString())
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}

const firstOf = (chunks: Buffer[]): number | undefined => Buffer.concat(chunks).find((byte) => byte > 32)

/**
 * Passes on an answer that is too large to wait for, as it comes: all but its last chunk, which waits for the record. One
 * that breaks off ends without the end that was promised.
 */
export const relayLarge = (
  outgoing: ServerResponse,
  ticket: Ticket,
  { status, chunks, rest, firstByteMs }: LargeAnswer & { status: number; firstByteMs: number },
  { keep, keptBytes, stalledSeconds }: RelayOptions,
): Promise<void> =>
  new Promise((resolve, reject) => {
    const kept: Buffer[] = []
    let size = 0
    let truncated = false
    let held: Buffer | undefined
    let failure: Outcome['error'] = null
    let isOver = false
    if (firstOf(chunks) !== openingBrace) failure = { code: 'upstream_failed', message: 'The answer is no JSON object' }

    const outcome = (ended: Outcome['status']): Outcome => ({
      status: ended,
      httpStatus: status,
      error: failure,
      answer: { kind: 'json', bytes: Buffer.concat(kept), truncated },
      firstByteMs,
    })
    const settle = async (ended: Outcome['status']) => {
      isOver = true
      try {
        await keep(ticket, outcome(ended))
      } catch (error) {
        outgoing.destroy()
        return reject(error)
      }
      if (ended === 'completed') outgoing.end(held)
      else outgoing.destroy()
      resolve()
    }
    const take = (chunk: Buffer): boolean => {
      size += chunk.length
      if (size > keptBytes) truncated = true
      else kept.push(chunk)
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
      data(chunk) {
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
