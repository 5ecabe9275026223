import { pipeline, type Readable } from 'node:stream'
import { compressed } from './compress.ts'
import { closed, dropRest, type Exchange } from './exchange.ts'
import type { HttpOptions } from './options.ts'
import type { Reply } from './reply.ts'

const isEvents = ({ 'content-type': type }: Record<string, string>): boolean =>
  type?.startsWith('text/event-stream') ?? false

/** Streams a body. When the client leaves, the stream is destroyed. When the stream fails, the connection is cut. */
const stream = (body: Readable, { outgoing, requestId }: Exchange, log: HttpOptions['log']): Promise<void> =>
  new Promise((resolve) => {
    outgoing.flushHeaders()
    pipeline(body, outgoing, (error) => {
      const isCut = error && error.code !== 'ERR_STREAM_PREMATURE_CLOSE'
      if (isCut) log.warn({ reason: String(error), request_id: requestId }, 'an answer was cut off')
      resolve()
    })
  })

/**
 * Makes the function that sends an answer. Resolves when the whole answer is written. Rejects if the producer of its
 * body fails.
 */
export const makeSend = ({ log, observer }: Pick<HttpOptions, 'log' | 'observer'>) => {
  const send = async (exchange: Exchange, { body, headers: own }: Reply, status: number): Promise<void> => {
    const { incoming, outgoing, method, requestId } = exchange
    const headers: Record<string, string> = { 'x-request-id': requestId, ...own, ...exchange.headers }
    if (own.vary && exchange.headers.vary) headers.vary = `${own.vary}, ${exchange.headers.vary}`
    if (typeof body === 'string' || body instanceof Uint8Array) {
      const packed = compressed({ body, headers }, incoming.headers)
      const sent = packed instanceof Promise ? await packed : packed
      sent.headers['content-length'] = String(Buffer.byteLength(sent.body))
      outgoing.writeHead(status, sent.headers).end(sent.body)
      return
    }
    outgoing.writeHead(status, headers)
    if (body === null) return void outgoing.end()
    if (observer && isEvents(headers)) outgoing.once('close', observer.streaming())
    if (typeof body === 'function') return body(outgoing)
    if (method !== 'HEAD') return stream(body, exchange, log)
    body.destroy()
    outgoing.end()
  }

  return async (exchange: Exchange, reply: Reply, status: number): Promise<void> => {
    const { incoming, outgoing } = exchange
    if (!incoming.complete) void closed(outgoing).then(() => dropRest(incoming))
    await send(exchange, reply, status)
  }
}
