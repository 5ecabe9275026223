import { request as httpRequest, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { AppError, messageOf, toAppError } from '../../lib/errors.ts'
import {
  type Destination,
  type HostConnectionOptions,
  type HostConnections,
  makeHostConnections,
  readDestination,
} from './host-connections.ts'

interface ForwardOptions extends HostConnectionOptions {
  refuseHost(host: string): void
}

export interface ForwardProxy {
  /** Forwards a request with an absolute URL. Never throws. */
  request(request: IncomingMessage, response: ServerResponse): Promise<void>
  /** Opens a tunnel. */
  connect(request: IncomingMessage, socket: Socket, head: Buffer): void
  /** Closes every connection to a host. */
  close(): void
}

/** Headers of the connection, or for the proxy. */
const ofConnection =
  /^(connection|keep-alive|proxy-.*|te|trailer|transfer-encoding|upgrade|host|expect|content-length|http2-settings)$/

const passedOn = (headers: IncomingHttpHeaders): Record<string, string | string[]> => {
  const named = String(headers.connection ?? '')
    .toLowerCase()
    .split(',')
    .map((one) => one.trim())
  return Object.fromEntries(
    Object.entries(headers).filter(
      (entry): entry is [string, string | string[]] =>
        entry[1] !== undefined && !ofConnection.test(entry[0]) && !named.includes(entry[0]),
    ),
  )
}

/** Frames the body in the same way on the other side, whatever the method. */
const bodyOf = (headers: IncomingHttpHeaders): Record<string, string> => {
  if (headers['content-length'] !== undefined) return { 'content-length': headers['content-length'] }
  return headers['transfer-encoding'] === undefined ? {} : { 'transfer-encoding': 'chunked' }
}

const refusalText = (error: AppError): { status: number; body: string } => ({
  status: error.code === 'address_refused' ? 403 : 502,
  body: `jetty: ${error.message}\n`,
})

export const makeForwardProxy = (options: ForwardOptions): ForwardProxy => {
  const hosts = makeHostConnections(options)
  const asRefused = (thrown: unknown, target: string) => {
    const error = toAppError(thrown)
    const destination = readDestination(target)
    if (error.code === 'address_refused' && destination) options.refuseHost(destination.host)
    return refusalText(error)
  }
  return {
    async request(request, response) {
      try {
        await pass(hosts, request, response)
      } catch (thrown) {
        const { status, body } = asRefused(thrown, request.url ?? '')
        if (response.headersSent || response.destroyed) return void response.destroy()
        response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', connection: 'close' }).end(body)
      }
    },
    connect(request, socket, head) {
      const target = request.url ?? ''
      tunnel(hosts, target, socket, head).catch((thrown) => refuseTunnel(socket, asRefused(thrown, target)))
    },
    close: hosts.close,
  }
}

const find = (target: string): Destination => {
  const destination = readDestination(target)
  if (destination) return destination
  throw new AppError('address_refused', 'A proxy takes http:// URLs, and host:port with CONNECT')
}

const tunnel = async (hosts: HostConnections, target: string, inner: Duplex, head: Buffer): Promise<void> => {
  const outer = await hosts.reach(find(target))
  if (inner.destroyed || hosts.isClosed) return void outer.destroy()
  const count = hosts.watch(outer)
  inner.write('HTTP/1.1 200 Connection Established\r\n\r\n')
  if (head.length > 0) outer.write(head)
  inner.pipe(outer).pipe(inner)
  inner.on('data', count)
  outer.on('data', count)
  inner.on('close', () => outer.destroy())
  outer.on('close', () => inner.destroy())
}

const refuseTunnel = (socket: Socket, { status, body }: ReturnType<typeof refusalText>): void => {
  const lines = [
    `HTTP/1.1 ${status} ${status === 403 ? 'Forbidden' : 'Bad Gateway'}`,
    'content-type: text/plain; charset=utf-8',
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
  ]
  if (!socket.destroyed) socket.end(`${lines.join('\r\n')}\r\n\r\n${body}`)
}

/** Sends the request on, and the answer back. */
const pass = async (hosts: HostConnections, request: IncomingMessage, response: ServerResponse): Promise<void> => {
  const destination = find(request.url ?? '')
  const socket = await hosts.reach(destination)
  if (response.destroyed || hosts.isClosed) return void socket.destroy()
  const { url } = destination
  const count = hosts.watch(socket)
  request.on('data', count)
  await new Promise<void>((resolve, reject) => {
    const { headers, method } = request
    const asked = httpRequest({
      createConnection: () => socket,
      method,
      path: url.pathname + url.search,
      headers: { ...passedOn(headers), ...bodyOf(headers), host: url.host, connection: 'close' },
      maxHeaderSize: 64 * 1024,
    })
    const unanswered = (why: string) =>
      reject(new AppError('network_failed', `'${destination.host}' did not give a valid answer: ${why}`))
    asked.on('error', (error) => unanswered(messageOf(error)))
    asked.on('upgrade', (_, other) => {
      other.destroy()
      unanswered('it switched to another protocol')
    })
    asked.on('close', resolve)
    response.on('close', () => asked.destroy())
    asked.on('response', (answer) => {
      answer.on('error', () => response.destroy())
      response.writeHead(answer.statusCode ?? 502, passedOn(answer.headers))
      answer.pipe(response)
      answer.on('data', count)
    })
    request.pipe(asked)
  })
}
