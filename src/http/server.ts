import { once, setMaxListeners } from 'node:events'
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { pipeline, type Readable } from 'node:stream'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import { AppError } from '../lib/errors.ts'
import { noteWork } from '../lib/loop-watch.ts'
import { makeAdmissionCache } from './admission-cache.ts'
import { corsHeaders, originOf } from './cors.ts'
import { errorFormat, errorReply } from './errors.ts'
import { closed, cutWhereStalled, dropRest, type Exchange, openExchange } from './exchange.ts'
import { makeRequestHandler } from './handle-request.ts'
import type { Route } from './implement.ts'
import { cannotListen } from './listen-address.ts'
import type { HttpLog, HttpOptions } from './options.ts'
import { acceptsGzip, Reply } from './reply.ts'
import { makeRouteTable, type ServedRoute } from './route-table.ts'
import type { Match } from './router.ts'
import { withWarnings } from './warnings.ts'

/** File descriptors reserved for everything else: Postgres, files, sandboxes, and calls to models. */
const keptBack = 128
const mostByDefault = 16_384

/** Maximum connections for a number of file descriptors. Half of them: a gateway call needs a second connection. */
export const connectionsFor = (descriptors: number): number =>
  Math.max(16, Math.min(mostByDefault, Math.floor((descriptors - keptBack) / 2)))

interface ConnectionLimit {
  /** Notes that a request arrived on this connection. */
  used(socket: Socket): void
}

const reportEveryMs = 10_000
const madeRoomFor = 16

/**
 * Limits the open connections of a server. Above the limit new ones are closed, and the oldest idle ones make room for
 * the next, so clients that hold idle connections do not lock others out.
 */
const limitConnections = (
  server: Server,
  most: number,
  { onRefused, report }: { onRefused(): void; report(refused: number): void },
): ConnectionLimit => {
  server.maxConnections = most
  const unused = new Set<Socket>()
  let refused = 0
  let reportedMs = Number.NEGATIVE_INFINITY

  server.on('connection', (socket: Socket) => {
    unused.add(socket)
    socket.once('close', () => unused.delete(socket))
  })
  server.on('drop', () => {
    refused++
    onRefused()
    server.closeIdleConnections()
    let room = madeRoomFor
    for (const socket of unused) {
      if (room-- === 0) break
      socket.destroy()
    }
    if (performance.now() - reportedMs < reportEveryMs) return
    report(refused)
    reportedMs = performance.now()
    refused = 0
  })
  return { used: (socket) => void unused.delete(socket) }
}

const gzipped = promisify(gzip)

/** Shorter texts fit into one or two packets anyway. */
const leastBytes = 1024
/** Longer texts would keep a thread of Node's pool busy that also reads files. */
const mostBytes = 8 * 1024 * 1024
/** Makes 47 KB of 520 KB of JSON in 1.3 ms; level 6 takes twice as long for a tenth less. */
const level = 1

/** An answer ready to be sent. */
interface Sent {
  body: string | Uint8Array
  headers: Record<string, string>
}

/** Adds a name to the Vary header. */
const withVary = (headers: Record<string, string>, name: string): Record<string, string> => {
  const before = headers.vary
  return { ...headers, vary: before ? `${before}, ${name}` : name }
}

/** A compressed body is another representation: the tag that stays true for both is a weak one (RFC 9110 §8.8.3.3). */
const withWeakTag = (headers: Record<string, string>): Record<string, string> => {
  const { etag } = headers
  return etag?.startsWith('"') ? { ...headers, etag: `W/${etag}` } : headers
}

/** Compresses a JSON answer of more than 1 KB for a client that asks for gzip. Streams and files are sent as they are. */
const compressed = (sent: Sent, request: IncomingHttpHeaders): Sent | Promise<Sent> => {
  const { body, headers } = sent
  const bytes = Buffer.byteLength(body)
  const isJson = headers['content-type']?.startsWith('application/json') ?? false
  if (!isJson || bytes < leastBytes || bytes > mostBytes || headers['content-encoding']) return sent
  const varied = withVary(headers, 'Accept-Encoding')
  if (!acceptsGzip(request)) return { body, headers: varied }
  const told = { ...withWeakTag(varied), 'content-encoding': 'gzip' }
  return gzipped(body, { level }).then((packed) => ({ body: packed, headers: told }))
}

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
const makeSend = ({ log, observer }: Pick<HttpOptions, 'log' | 'observer'>) => {
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

const isDataLoss = (thrown: unknown): boolean => thrown instanceof AppError && thrown.code === 'object_missing'

/** Makes the answer to a failed call, in its endpoint's error format. Logs bugs with their stack and a 503 with its reason. */
const failureReply = (
  log: Pick<HttpLog, 'warn' | 'error'>,
  thrown: unknown,
  { method, requestId, incoming }: Pick<Exchange, 'method' | 'requestId' | 'incoming'>,
  { operation, endpoint }: Pick<Route, 'operation' | 'endpoint'>,
): Reply => {
  const reply = errorReply(thrown, errorFormat(endpoint.errorBody, incoming.headers))
  const cause = thrown instanceof AppError && thrown.cause ? thrown.cause : thrown
  const fields = { operation, method, request_id: requestId }
  if (reply.status === 500 && !isDataLoss(thrown)) log.error({ err: cause, ...fields }, 'a request failed with a bug')
  else if (reply.status === 503) log.warn({ reason: String(cause), ...fields }, 'a request was turned away')
  return reply
}

/**
 * Makes the function that answers every request: it finds the route, calls its handler, and sends the answer. Errors
 * have the format that the endpoint declares.
 */
const makeDispatch = (options: HttpOptions, stopping: AbortSignal) => {
  const { settings, log, observer, memory: budget } = options
  const find = makeRouteTable(options.routes, options.pages)
  const handle = makeRequestHandler(options, makeAdmissionCache(options), stopping)
  const send = makeSend(options)
  const allowedOrigin = originOf(settings.publicUrl)
  const isLogged = log.isLevelEnabled('debug')

  const answerOf = async (exchange: Exchange, { value: route, params }: Match<ServedRoute>): Promise<Reply> => {
    let reply: Reply
    try {
      reply = await handle(route, params, exchange)
    } catch (thrown) {
      reply = failureReply(log, thrown, exchange, route)
    }
    // A 404 with warnings would reveal what exists: unknown and foreign names get the same answer.
    const isTold = (reply.status ?? 200) < 400 || reply.status === 422
    return isTold ? withWarnings(reply, exchange.warnings, route.hasWarningsMember) : reply
  }

  const note = ({ method, requestId }: Exchange, route: ServedRoute | undefined, status: number, ms: number) => {
    const operation = route?.operation
    observer?.answered(operation ?? 'none', status, ms / 1000)
    if (!isLogged) return
    const fields = { method, route: route?.endpoint.path, operation, status, ms: Math.round(ms * 10) / 10 }
    log.debug({ ...fields, request_id: requestId }, 'request')
  }

  const answer = async (exchange: Exchange): Promise<void> => {
    const started = performance.now()
    const found = find(exchange)
    const match = found instanceof Reply ? undefined : found
    const route = match?.value
    noteWork(route?.operation ?? 'request')
    const reply = match ? await answerOf(exchange, match) : (found as Reply)
    const status = reply.status ?? route?.endpoint.status ?? 200
    note(exchange, route, status, performance.now() - started)
    try {
      await send(exchange, reply, status)
    } catch (thrown) {
      // The headers are sent, so only closing the connection can signal the failure.
      if (route) failureReply(log, thrown, exchange, route)
      exchange.outgoing.destroy()
    }
  }

  return (incoming: IncomingMessage, outgoing: ServerResponse): void => {
    const headers = corsHeaders(incoming.headers.origin, allowedOrigin)
    const exchange = openExchange(incoming, outgoing, { budget, headers })
    const end = () => {
      if (!exchange.memory.isHeld()) return
      cutWhereStalled(outgoing)
      void closed(outgoing).then(exchange.memory.end)
    }
    answer(exchange).then(end, (error: unknown) => {
      log.error({ err: error, request_id: exchange.requestId }, 'a request failed with a bug')
      outgoing.destroy()
      end()
    })
  }
}

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
