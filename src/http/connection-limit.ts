import type { Server } from 'node:http'
import type { Socket } from 'node:net'

/** What of the descriptors is left to everything else: Postgres, files, sandboxes, and calls to models. */
const keptBack = 128
const mostByDefault = 16_384

/** How many connections a process of so many descriptors may have: a call of the gateway needs a second one. */
export const connectionsFor = (descriptors: number): number =>
  Math.max(16, Math.min(mostByDefault, Math.floor((descriptors - keptBack) / 2)))

export interface ConnectionLimit {
  /** A request came on this connection. */
  used(socket: Socket): void
}

const reportEveryMs = 10_000
const madeRoomFor = 16

/**
 * Lets a server have so many connections at once. Above that new ones are closed at once, and idle ones, oldest first,
 * make room for those that come next: connections that are held open without a request do not lock clients out.
 */
export const limitConnections = (
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
