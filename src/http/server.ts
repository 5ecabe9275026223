import { once, setMaxListeners } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { limitConnections } from './connection-limit.ts'
import { makeDispatch } from './dispatch.ts'
import { cannotListen } from './listen-address.ts'
import type { HttpOptions } from './options.ts'

export interface HttpServer {
  /** Starts to listen; port 0 takes any free one. `variable` is the setting that an error names. */
  listen(host: string, port: number, variable?: string): Promise<{ port: number; url: string }>
  /**
   * Stops accepting connections, ends streams, gives calls in flight `graceSeconds` to finish, then closes their
   * connections. `lastWords` runs before that, so that handlers can still send an error.
   */
  close(graceSeconds?: number, lastWords?: () => Promise<unknown>): Promise<void>
}

const timeouts = {
  headersTimeout: 15_000,
  requestTimeout: 0, // an upload may take long; body.ts aborts a body that stops arriving
  keepAliveTimeout: 65_000, // longer than the 60 s of common proxies
  connectionsCheckingInterval: 5_000,
}

/** Time for answers that `lastWords` has brought about to leave. */
const lastWordsMs = 500

const plainAnswer = (status: number, reason: string, detail: string): string => {
  const body = JSON.stringify({ detail })
  return (
    `HTTP/1.1 ${status} ${reason}\r\nContent-Type: application/json\r\nX-Content-Type-Options: nosniff\r\n` +
    `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`
  )
}

/** Tells whether a request was read completely while its answer is not sent yet. */
const isOwed = ({ req, writableFinished, destroyed }: ServerResponse): boolean =>
  req.complete && !writableFinished && !destroyed

/**
 * Answers bytes that Node's parser cannot read as HTTP. There is no request object, so the answer is written by hand.
 * The socket gets it after the answers to earlier requests (`open`). Sent in the middle of one of them, it would look
 * like a part of that answer's body.
 */
const refuse = (error: Error & { code?: string }, socket: Socket, open: readonly ServerResponse[] = []): void => {
  const last = open.findLast(isOwed)
  if (last) return void last.once('finish', () => refuse(error, socket))
  if (!socket.writable || error.code === 'ECONNRESET') return void socket.destroy()
  if (error.code === 'HPE_HEADER_OVERFLOW') {
    socket.end(plainAnswer(431, 'Request Header Fields Too Large', 'The request headers are too large'))
  } else if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    socket.end(plainAnswer(408, 'Request Timeout', 'The request headers did not arrive in time'))
  } else socket.end(plainAnswer(400, 'Bad Request', 'The request is not valid HTTP'))
  setTimeout(() => socket.destroy(), 500).unref()
}

const hasStrayBody = (incoming: IncomingMessage): boolean =>
  (incoming.method === 'GET' || incoming.method === 'HEAD') &&
  (incoming.headers['transfer-encoding'] !== undefined || Number(incoming.headers['content-length'] ?? 0) > 0)

/** Serves a table of routes over HTTP/1.1. Knows no resource: authorisation is passed in. */
export const makeServer = (options: HttpOptions): HttpServer => {
  const stopping = new AbortController()
  setMaxListeners(0, stopping.signal)
  const dispatch = makeDispatch(options, stopping.signal)
  let inFlight = 0
  /** The answers that a connection waits for. */
  const answers = new WeakMap<Socket, ServerResponse[]>()
  const finished = () => {
    inFlight--
  }
  const server = createServer(timeouts, (incoming, outgoing) => {
    inFlight++
    limit?.used(incoming.socket)
    const owed = answers.get(incoming.socket)
    if (!owed) answers.set(incoming.socket, [outgoing])
    else if (owed.length === 1 && !isOwed(owed[0] as ServerResponse)) owed[0] = outgoing
    else answers.set(incoming.socket, [...owed.filter(isOwed), outgoing])
    outgoing.on('close', finished)
    if (hasStrayBody(incoming)) outgoing.shouldKeepAlive = false // nobody reads that body
    dispatch(incoming, outgoing)
  })
  const limit =
    options.connections === undefined
      ? undefined
      : limitConnections(server, options.connections, {
          onRefused: () => options.observer?.connectionRefused(),
          report: (refused) =>
            options.log.warn(
              { refused, limit: options.connections },
              'too many connections: new ones are closed at once',
            ),
        })
  server.on('clientError', (error, socket) => refuse(error, socket as Socket, answers.get(socket as Socket)))

  return {
    async listen(host, port, variable = 'JETTY_PORT') {
      server.listen(port, host)
      await once(server, 'listening').catch((error) => {
        throw cannotListen(host, port, variable, error)
      })
      const { port: bound } = server.address() as AddressInfo
      return { port: bound, url: `http://${host.includes(':') ? `[${host}]` : host}:${bound}` }
    },
    async close(graceSeconds = 10, lastWords = async () => {}) {
      stopping.abort()
      if (!server.listening) return
      const closed = once(server, 'close')
      server.close()
      const sweep = setInterval(() => {
        server.closeIdleConnections() // kept-alive ones, as they become idle
        if (inFlight === 0) server.closeAllConnections() // opened ahead by a browser, never used: not idle for node
      }, 50)
      let cut = setTimeout(() => void lastWords().finally(cutOff), graceSeconds * 1000)
      const cutOff = () => {
        cut = setTimeout(() => server.closeAllConnections(), lastWordsMs) // the last words are still being sent
      }
      await closed
      clearInterval(sweep)
      clearTimeout(cut)
    },
  }
}
