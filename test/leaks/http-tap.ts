import { subscribe } from 'node:diagnostics_channel'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** One request and its answer, as they went over the wire; complete once `done`. */
export interface Exchange {
  method: string
  path: string
  contentType: string
  sent: Buffer[]
  answered: Buffer[]
  headers(): string
  done: boolean
}

const watched = new Map<number, (exchange: Exchange) => void>()

/** Tells of every request that the HTTP server on this port gets, whoever sends it; gives the function that ends it. */
export const tapPort = (port: number, onExchange: (exchange: Exchange) => void): (() => void) => {
  watched.set(port, onExchange)
  return () => void watched.delete(port)
}

const asBuffer = (chunk: unknown): Buffer | undefined =>
  typeof chunk === 'string' ? Buffer.from(chunk) : chunk instanceof Uint8Array ? Buffer.from(chunk) : undefined

/** Keeps a copy of each first argument of a method that is a chunk. */
const copying = <T extends object>(target: T, method: keyof T, into: Buffer[]): void => {
  const original = target[method] as (...given: unknown[]) => unknown
  target[method] = ((...given: unknown[]) => {
    const copy = asBuffer(given[0])
    if (copy) into.push(copy)
    return original.apply(target, given)
  }) as never
}

subscribe('http.server.request.start', (message) => {
  const { request, response, socket } = message as {
    request: IncomingMessage
    response: ServerResponse
    socket: Socket
  }
  const tell = watched.get(socket.localPort ?? 0)
  if (!tell) return
  const exchange: Exchange = {
    method: request.method ?? '',
    path: request.url ?? '',
    contentType: request.headers['content-type'] ?? '',
    sent: [],
    answered: [],
    headers: () => JSON.stringify(response.getHeaders()),
    done: false,
  }
  copying(request, 'push', exchange.sent)
  copying(response, 'write', exchange.answered)
  copying(response, 'end', exchange.answered)
  response.once('close', () => {
    exchange.done = true
  })
  tell(exchange)
})
