import { pipeline, type Readable } from 'node:stream'
import type { Dispatcher } from 'undici'
import { decodersFor, tooLarge } from './body.ts'
import { makeClock } from './clock.ts'
import { asNetworkError, firstHop, sendHop, shown } from './hop.ts'
import type { OutgoingRequest } from './net.ts'

/** An answer that has begun. Its body is to be read once, or `close`d. */
export interface OpenAnswer {
  status: number
  /** Names in lower case. */
  headers: Record<string, string>
  /** Unpacked, in order; throws `network_failed`, `timed_out` or `too_large` where it breaks off. */
  body: AsyncIterable<Uint8Array>
  close(): void
}

/** As `Fetch`, for answers that are read while they come; a redirect is an answer like any other. */
export type Open = (url: string, request?: OutgoingRequest) => Promise<OpenAnswer>

/** A failure of any part is thrown by the last one, which is read. */
const unpacked = (body: Readable, encoding: string, from: string): Readable =>
  decodersFor(encoding, from).reduce<Readable>((packed, decoder) => pipeline(packed, decoder, () => {}), body)

/**
 * Makes the way out for answers that are read while they come. The agent decides which addresses may be reached.
 * `timeoutSeconds` of a request counts to its last byte, 3600 where it names none; `maxBytes` too, 100 MiB.
 */
export const makeOpener =
  (agent: Dispatcher): Open =>
  async (url, request = {}) => {
    const hop = firstHop(url, request)
    const from = shown(hop.url)
    const clock = makeClock(request.timeoutSeconds ?? 3600, request.signal, hop.url)
    const maxBytes = request.maxBytes ?? 100 * 1024 * 1024
    try {
      // undici does not look at the signal while it still connects, hence the race.
      const answer = await Promise.race([sendHop(agent, hop, request, clock.signal), clock.stopped])
      const headers = Object.fromEntries(
        Object.entries(answer.headers).map(([name, value]) => [
          name,
          Array.isArray(value) ? value.join(', ') : (value ?? ''),
        ]),
      )
      answer.body.on('error', () => {})
      const close = () => {
        clock.clear()
        answer.body.destroy()
      }
      const read = async function* () {
        let size = 0
        try {
          for await (const part of unpacked(answer.body, headers['content-encoding'] ?? '', from)) {
            size += part.length
            if (size > maxBytes) throw tooLarge(from, maxBytes)
            yield part as Uint8Array
          }
        } catch (error) {
          throw asNetworkError(error, hop)
        } finally {
          close()
        }
      }
      return { status: answer.statusCode, headers, body: read(), close }
    } catch (error) {
      clock.clear()
      throw asNetworkError(error, hop)
    }
  }
