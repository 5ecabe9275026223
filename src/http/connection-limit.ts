import type { Server } from 'node:http'
import type { Socket } from 'node:net'

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
