import { pipeline, type Readable } from 'node:stream'
import type { Dispatcher } from 'undici'
import { AppError } from '../errors.ts'
import { decodersFor, tooLarge } from './body.ts'
import { asNetworkError, firstHop, sendHop, shown } from './hop.ts'
import type { OutgoingRequest } from './outgoing.ts'

/** Rejects on timeout or when the caller's signal fires, and aborts the request of undici. */
export const makeClock = (seconds: number, caller: AbortSignal | undefined, target: URL) => {
  const control = new AbortController()
  let reject: (reason: AppError) => void
  const stopped = new Promise<never>((_, rejecting) => {
    reject = rejecting
  })
  stopped.catch(() => {})
  const stop = (reason: AppError) => {
    reject(reason)
    control.abort(reason)
  }
  const onAbort = () =>
    stop(new AppError('cancelled', `The request to ${shown(target)} was interrupted`, { cause: caller?.reason }))
  const timer = setTimeout(
    () => stop(new AppError('timed_out', `The request to ${shown(target)} took longer than ${seconds} s`)),
    seconds * 1000,
  )
  if (caller?.aborted) onAbort()
  caller?.addEventListener('abort', onAbort, { once: true })
  const clear = () => {
    clearTimeout(timer)
    caller?.removeEventListener('abort', onAbort)
  }
  return { signal: control.signal, stopped, clear }
}

/** An answer whose headers have arrived. Read the body once, or call `close`. */
export interface OpenAnswer {
  status: number
  /** Header names in lower case. */
  headers: Record<string, string>
  /** Decoded chunks in order; throws `network_failed`, `timed_out` or `too_large` when it breaks off. */
  body: AsyncIterable<Uint8Array>
  close(): void
}

/** Like `Fetch`, for answers read as they arrive; a redirect is returned as an answer. */
export type Open = (url: string, request?: OutgoingRequest) => Promise<OpenAnswer>

/** Errors of any stage surface in the last one, which is read. */
const unpacked = (body: Readable, encoding: string, from: string): Readable =>
  decodersFor(encoding, from).reduce<Readable>((packed, decoder) => pipeline(packed, decoder, () => {}), body)

/**
 * Makes the function for outgoing requests with streamed answers. The agent decides which addresses are allowed.
 * `timeoutSeconds` (default 3600) and `maxBytes` (default 100 MiB) cover the whole answer.
 */
export const makeOpener =
  (agent: Dispatcher): Open =>
  async (url, request = {}) => {
    const hop = firstHop(url, request)
    const from = shown(hop.url)
    const clock = makeClock(request.timeoutSeconds ?? 3600, request.signal, hop.url)
    const maxBytes = request.maxBytes ?? 100 * 1024 * 1024
    try {
      // undici ignores the signal while it connects, hence the race.
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
