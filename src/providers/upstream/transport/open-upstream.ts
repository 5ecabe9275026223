import type { IncomingHttpHeaders } from 'node:http'
import type { Transform } from 'node:stream'
import type { Dispatcher } from 'undici'
import { AppError, errorCodes, messageOf } from '../../../lib/errors.ts'
import { decodersFor } from '../../../lib/net/body.ts'
import { asNetworkError } from '../../../lib/net/hop.ts'
import { timeoutHint } from '../errors.ts'
import { noteProviderAnswer, noteProviderFailure } from '../provider-health.ts'
import type { PushStream } from '../push-stream.ts'
import type { Upstream } from '../upstream.ts'
import { clientLeft, type StopListener } from './stop.ts'

const badEncoding = (from: string, cause: unknown): AppError =>
  new AppError('network_failed', `${from} sent an answer that cannot be decompressed: ${messageOf(cause)}`, { cause })

const through = (answer: PushStream<Buffer>, decoder: Transform, from: string): PushStream<Buffer> => ({
  readTo(sink) {
    let isOver = false
    const end = (problem?: AppError) => {
      if (isOver) return
      isOver = true
      sink.end(problem)
    }
    decoder.on('data', (chunk: Buffer) => {
      if (!isOver) sink.take(chunk)
    })
    decoder.on('drain', () => answer.resume())
    decoder.on('end', () => end())
    decoder.on('error', (error) => {
      end(badEncoding(from, error))
      answer.abort()
    })
    answer.readTo({
      take(chunk) {
        if (!isOver && !decoder.write(chunk)) answer.pause()
      },
      end(problem) {
        if (!problem) return void decoder.end()
        end(problem)
        decoder.destroy()
      },
    })
  },
  pause: () => void decoder.pause(),
  resume: () => void decoder.resume(),
  abort() {
    answer.abort()
    decoder.destroy()
  },
})

/** Decompresses an answer at the pace of its reader. Throws `upstream_failed` for an encoding that is not supported. */
const decompressed = (answer: PushStream<Buffer>, contentEncoding: string, from: string): PushStream<Buffer> =>
  decodersFor(contentEncoding, from).reduce((packed, decoder) => through(packed, decoder, from), answer)

/** A request to a provider. The agent decides which addresses it may reach; redirects are never followed. */
export interface UpstreamRequest {
  upstream: Upstream
  agent: Dispatcher
  url: URL
  method: 'GET' | 'POST'
  headers: Record<string, string>
  body: Uint8Array | string | null
  /** Timeout for the first byte of an answer, and for pauses within it. */
  firstByteSeconds: number
  idleSeconds: number
}

/** An answer whose status and headers have arrived. Its bytes are decompressed. */
export interface UpstreamResponse extends PushStream<Buffer> {
  status: number
  /** Names in lower case; repeated values joined by commas. */
  headers: Record<string, string>
}

/** Chunks that are kept for a reader who has not begun. */
const mostWaiting = 32

const flat = (headers: IncomingHttpHeaders): Record<string, string> => {
  const result: Record<string, string> = {}
  for (const name in headers) {
    const value = headers[name]
    if (value !== undefined) result[name] = Array.isArray(value) ? value.join(', ') : value
  }
  return result
}

/** Names the provider instead of its address: where the server keeps a base URL is not the client's business. */
const named = (thrown: unknown, { upstream, method, url }: UpstreamRequest): AppError =>
  timeoutHint(asNetworkError(thrown, { method, url, name: upstream.provider.name }))

const unpacked = (raw: UpstreamResponse, from: string): UpstreamResponse => {
  const { 'content-encoding': encoding, ...headers } = raw.headers
  if (encoding === undefined) return raw
  const { 'content-length': _, ...others } = headers
  return { status: raw.status, headers: others, ...decompressed(raw, encoding, from) }
}

/**
 * Sends one request and resolves when the answer begins, whatever its status. Rejects with `network_failed`, `timed_out`,
 * `address_refused`, or at once with the reason of its stop. Nothing is repeated here.
 */
export const openUpstream = (request: UpstreamRequest, stop: StopListener): Promise<UpstreamResponse> =>
  new Promise((resolve, reject) => {
    const { agent, url, upstream } = request
    let controller: Dispatcher.DispatchController | undefined
    let sink: Parameters<UpstreamResponse['readTo']>[0] | undefined
    let ended: { problem: AppError | undefined } | undefined
    let isAborted = false
    let isAnswered = false
    const waiting: Buffer[] = []

    const abort = () => {
      isAborted = true
      controller?.abort(stop.reason ?? clientLeft())
    }
    if (stop.reason) return reject(stop.reason)
    const finish = (problem?: AppError) => {
      unsubscribe()
      if (isAborted || ended) return
      ended = { problem }
      sink?.end(problem)
    }
    const unsubscribe = stop.onStop((reason) => {
      reject(reason)
      finish(reason) // the reader of a started answer gets the reason too
      abort()
    })
    const readTo: UpstreamResponse['readTo'] = (taker) => {
      sink = taker
      const isPaused = waiting.length >= mostWaiting
      for (const chunk of waiting.splice(0)) taker.take(chunk)
      if (ended) taker.end(ended.problem)
      else if (isPaused) controller?.resume()
    }
    const begin = (status: number, headers: IncomingHttpHeaders) => {
      const pause = () => controller?.pause()
      const resume = () => controller?.resume()
      noteProviderAnswer(upstream, status)
      isAnswered = true
      const raw = { status, headers: flat(headers), readTo, pause, resume, abort }
      try {
        resolve(unpacked(raw, upstream.provider.name))
      } catch (error) {
        reject(error)
        abort()
      }
    }

    agent.dispatch(
      {
        origin: url.origin,
        path: url.pathname + url.search,
        method: request.method,
        headers: request.headers,
        body: request.body,
        headersTimeout: request.firstByteSeconds * 1000,
        bodyTimeout: request.idleSeconds * 1000,
      },
      {
        onRequestStart(started) {
          controller = started
          if (isAborted) started.abort(stop.reason ?? clientLeft())
        },
        onResponseStart(_, status, headers) {
          if (status >= 200) begin(status, headers)
        },
        onResponseData(_, chunk) {
          if (isAborted) return
          if (sink) sink.take(chunk)
          else if (waiting.push(chunk) === mostWaiting) controller?.pause()
        },
        onResponseEnd: () => finish(),
        onResponseError(_, error) {
          const problem = named(error, request)
          if (!isAnswered && !isAborted) noteProviderFailure(upstream, errorCodes[problem.code].meaning)
          reject(problem)
          finish(problem)
        },
      },
    )
  })
