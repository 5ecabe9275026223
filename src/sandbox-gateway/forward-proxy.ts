import { request as httpRequest, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import { connect as connectTo, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { AppError, messageOf, toAppError } from '../lib/errors.ts'
import type { LookUp } from '../lib/net/agent.ts'
import { addressesOf, type Destination, readDestination } from './destination.ts'
import type { GatewayLimits } from './limits.ts'
import type { SandboxNetwork } from './sandbox-gateway.ts'

/** Connects to an address that was checked. */
export type Dial = (address: string, port: number) => Socket

export interface ForwardOptions {
  network: SandboxNetwork
  /** Hosts that the collection may reach: both lists must allow a host. */
  allowedHosts: readonly string[] | undefined
  limits: GatewayLimits
  refuseHost(host: string): void
  moved(): void
  lookup?: LookUp
  dial?: Dial
  own?: () => readonly string[]
}

export interface ForwardProxy {
  /** Forwards a request with an absolute URL. Never throws. */
  request(request: IncomingMessage, response: ServerResponse): Promise<void>
  /** Opens a tunnel. */
  connect(request: IncomingMessage, socket: Socket, head: Buffer): void
  /** Closes every connection to a host. */
  close(): void
}

const mostAddresses = 4
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

const usedUp = (): AppError =>
  new AppError('address_refused', 'This runbook has used up its limit of transferred bytes')

const refusalText = (error: AppError): { status: number; body: string } => ({
  status: error.code === 'address_refused' ? 403 : 502,
  body: `jetty: ${error.message}\n`,
})

export const makeForwardProxy = (options: ForwardOptions): ForwardProxy => {
  const { limits, moved, refuseHost } = options
  const { dial = (host, port) => connectTo({ host, port, noDelay: true }) } = options
  const open = new Set<Socket>()
  let bytes = 0
  let isClosed = false

  const connected = (socket: Socket): Promise<Socket> =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => socket.destroy(new Error('the connection was not made in time')),
        limits.connectSeconds * 1000,
      )
      open.add(socket)
      socket.once('close', () => {
        clearTimeout(timer)
        open.delete(socket)
        reject(new Error('the connection was closed'))
      })
      socket.on('error', (error) => {
        clearTimeout(timer)
        reject(error)
      })
      socket.once('connect', () => {
        clearTimeout(timer)
        resolve(socket)
      })
    })

  /** Connects to the first checked address that accepts. */
  const reach = async (destination: Destination): Promise<Socket> => {
    if (bytes >= limits.hostBytes) throw usedUp()
    let problem: unknown
    for (const address of (await addressesOf(destination, options)).slice(0, mostAddresses)) {
      if (isClosed) break
      try {
        return await connected(dial(address, destination.port))
      } catch (error) {
        problem = error
      }
    }
    throw new AppError('network_failed', `'${destination.host}' cannot be reached: ${messageOf(problem)}`)
  }

  /** Closes a connection that is silent or exceeds the limit. Returns the function to call whenever bytes move. */
  const watch = (socket: Socket): (() => void) => {
    let seen = 0
    const count = () => {
      moved()
      const now = socket.bytesRead + socket.bytesWritten
      bytes += now - seen
      seen = now
      if (bytes > limits.hostBytes) socket.destroy()
    }
    socket.once('close', count)
    socket.setTimeout(limits.insideIdleSeconds * 1000, () => socket.destroy())
    return count
  }

  const asRefused = (thrown: unknown, destination: Destination | undefined) => {
    const error = toAppError(thrown)
    if (error.code === 'address_refused' && destination) refuseHost(destination.host)
    return refusalText(error)
  }

  const find = (target: string): Destination => {
    const destination = readDestination(target)
    if (destination) return destination
    throw new AppError('address_refused', 'A proxy takes http:// URLs, and host:port with CONNECT')
  }

  const tunnel = async (target: string, inner: Duplex, head: Buffer): Promise<void> => {
    const outer = await reach(find(target))
    if (inner.destroyed || isClosed) return void outer.destroy()
    const count = watch(outer)
    inner.write('HTTP/1.1 200 Connection Established\r\n\r\n')
    if (head.length > 0) outer.write(head)
    inner.pipe(outer).pipe(inner)
    inner.on('data', count)
    outer.on('data', count)
    inner.on('close', () => outer.destroy())
    outer.on('close', () => inner.destroy())
  }

  const pass = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const destination = find(request.url ?? '')
    const socket = await reach(destination)
    if (response.destroyed || isClosed) return void socket.destroy()
    const { url } = destination
    const count = watch(socket)
    request.on('data', count)
    await new Promise<void>((resolve, reject) => {
      const asked = httpRequest({
        createConnection: () => socket,
        method: request.method,
        path: url.pathname + url.search,
        headers: {
          ...passedOn(request.headers),
          ...bodyOf(request.headers),
          host: url.host,
          connection: 'close',
        },
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

  return {
    async request(request, response) {
      try {
        await pass(request, response)
      } catch (thrown) {
        const destination = readDestination(request.url ?? '')
        const { status, body } = asRefused(thrown, destination)
        if (response.headersSent || response.destroyed) return void response.destroy()
        response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', connection: 'close' }).end(body)
      }
    },
    connect(request, socket, head) {
      const target = request.url ?? ''
      tunnel(target, socket, head).catch((thrown) => {
        const { status, body } = asRefused(thrown, readDestination(target))
        const lines = [
          `HTTP/1.1 ${status} ${status === 403 ? 'Forbidden' : 'Bad Gateway'}`,
          'content-type: text/plain; charset=utf-8',
          `content-length: ${Buffer.byteLength(body)}`,
          'connection: close',
        ]
        if (!socket.destroyed) socket.end(`${lines.join('\r\n')}\r\n\r\n${body}`)
      })
    },
    close() {
      isClosed = true
      for (const socket of open) socket.destroy()
    },
  }
}
