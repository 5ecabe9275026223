import type { IncomingHttpHeaders } from 'node:http'
import type { Dispatcher } from 'undici'
import type { AppError } from '../../lib/errors.ts'
import { asNetworkError } from '../../lib/net/hop.ts'
import { clientLeft, type Stop } from '../stop.ts'

/** What is sent, and how long an answer may take to begin and may be silent. */
export interface UpstreamRequest {
  agent: Dispatcher
  url: URL
  headers: Record<string, string>
  body: Buffer
  firstByteSeconds: number
  idleSeconds: number
}

/** Who takes the bytes of an answer, in order; `end` comes once, with what went wrong if the answer is not whole. */
export interface Sink {
  data(chunk: Buffer): void
  end(problem?: AppError): void
}

/** An answer that has begun. What arrives before `readTo` is kept; whoever keeps too much has to `pause`. */
export interface UpstreamAnswer {
  status: number
  /** Names in lower case; of a repeated one, all values. */
  headers: Record<string, string>
  readTo(sink: Sink): void
  pause(): void
  resume(): void
  /** The upstream is told to stop; nothing more arrives. */
  abort(): void
}

const flat = (headers: IncomingHttpHeaders): Record<string, string> => {
  const result: Record<string, string> = {}
  for (const name in headers) {
    const value = headers[name]
    if (value !== undefined) result[name] = Array.isArray(value) ? value.join(', ') : value
  }
  return result
}

/**
 * Sends a request and resolves when the answer begins, whatever its status. Rejects with `network_failed`, `timed_out`,
 * `address_refused`, or the reason of its stop as soon as it is stopped. Chunks are handed on as they come off the socket.
 */
export const openUpstream = (request: UpstreamRequest, stop: Stop): Promise<UpstreamAnswer> =>
  new Promise((resolve, reject) => {
    const { agent, url } = request
    let controller: Dispatcher.DispatchController | undefined
    let sink: Sink | undefined
    let ended: { problem?: AppError } | undefined
    let stopped = false
    const waiting: Buffer[] = []

    const abort = () => {
      stopped = true
      controller?.abort(stop.reason ?? clientLeft())
    }
    if (stop.reason) return reject(stop.reason)
    const finish = (problem?: AppError) => {
      forget()
      if (stopped || ended) return
      ended = problem ? { problem } : {}
      sink?.end(problem)
    }
    const forget = stop.onStop((reason) => {
      reject(reason)
      finish(reason) // whoever reads it already is told as well
      abort()
    })
    const readTo = (taker: Sink) => {
      sink = taker
      for (const chunk of waiting.splice(0)) taker.data(chunk)
      if (ended) taker.end(ended.problem)
    }

    agent.dispatch(
      {
        origin: url.origin,
        path: url.pathname + url.search,
        method: 'POST',
        headers: request.headers,
        body: request.body,
        headersTimeout: request.firstByteSeconds * 1000,
        bodyTimeout: request.idleSeconds * 1000,
      },
      {
        onRequestStart(started) {
          controller = started
          if (stopped) started.abort(stop.reason ?? clientLeft())
        },
        onResponseStart(_, status, headers) {
          if (status < 200) return
          resolve({
            status,
            headers: flat(headers),
            readTo,
            pause: () => controller?.pause(),
            resume: () => controller?.resume(),
            abort,
          })
        },
        onResponseData(_, chunk) {
          if (stopped) return
          if (sink) sink.data(chunk)
          else waiting.push(chunk)
        },
        onResponseEnd: () => finish(),
        onResponseError(_, error) {
          const problem = asNetworkError(error, { method: 'POST', url, headers: {}, body: undefined })
          reject(problem)
          finish(problem)
        },
      },
    )
  })
