import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { messageOf } from '../../lib/errors.ts'
import { asExhausted } from '../../lib/exhaustion.ts'
import { inside } from '../../model/runbooks/sandbox.ts'
import { chatFormat } from '../../providers/upstream/formats/openai.ts'
import type { ForwardProxy } from './forward-proxy.ts'
import type { AnswerModelRequest } from './model-requests.ts'
import { answerError } from './models/backend.ts'

/** The HTTP server of one sandbox's gateway, on a unix socket. */
export interface GatewayServer {
  listen(socketPath: string): Promise<void>
  /** Closes the server and every connection. */
  close(): void
  /** Resolves when every request that was begun has been handled. */
  settled(): Promise<void>
}

const headerBytes = 64 * 1024
const headersSeconds = 20
const requestSeconds = 120
/** Longer than agents keep idle connections, so that the server never closes one on which a request is arriving. */
const keepAliveSeconds = 120

/** The path of a request to the gateway itself, which may be written as a proxy request. */
const ownPath = (url: string): string | undefined => {
  if (url.startsWith('/')) return url
  const own = [inside.gatewayUrl, inside.gatewayUrl.replace('127.0.0.1', 'localhost')]
  const base = own.find((one) => url.startsWith(`${one}/`))
  return base === undefined ? undefined : url.slice(base.length)
}

export const makeGatewayServer = (
  forward: ForwardProxy,
  answerModelRequest: AnswerModelRequest,
  mostConnections: number,
): GatewayServer => {
  const working = new Set<Promise<void>>()
  const sockets = new Set<Socket>()
  const server = createServer({
    maxHeaderSize: headerBytes,
    headersTimeout: headersSeconds * 1000,
    requestTimeout: requestSeconds * 1000,
    keepAliveTimeout: keepAliveSeconds * 1000,
    connectionsCheckingInterval: 5_000,
    noDelay: true,
  })
  server.maxConnections = mostConnections
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => socket.destroy())
    socket.on('close', () => sockets.delete(socket))
  })
  server.on('clientError', (_, socket) => {
    if (socket.writable) socket.end('HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n')
    else socket.destroy()
  })
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    request.on('error', () => {})
    response.on('error', () => {})
    const path = ownPath(request.url ?? '')
    const work = path === undefined ? forward.request(request, response) : answerModelRequest(request, response, path)
    const watched = work
      .catch((error) => answerError(response, chatFormat, 500, `The gateway failed: ${messageOf(error)}`))
      .finally(() => working.delete(watched))
    working.add(watched)
  })
  server.on('connect', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    forward.connect(request, socket, head)
  })
  return {
    async listen(socketPath) {
      await new Promise<void>((resolve, reject) => {
        server.once('error', (error) => reject(asExhausted(error, 'The gateway of a sandbox cannot be opened')))
        server.listen(socketPath, resolve)
      })
      server.on('error', () => {})
    },
    close() {
      server.close()
      for (const socket of sockets) socket.destroy()
    },
    async settled() {
      while (working.size > 0) await Promise.all(working)
    },
  }
}
