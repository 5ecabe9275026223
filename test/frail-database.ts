import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { dialPostgres } from './database-server.ts'

/** The way to a database that can be taken away and given back. */
export interface FrailDatabase {
  url: string
  /** Cuts every connection and refuses new ones. */
  cut(): void
  /** Nothing goes through any more, in either direction, and nothing is told: as with a frozen server. */
  freeze(): void
  heal(): void
  close(): Promise<void>
}

/** A door in front of the database of `url`. */
export const openFrailDatabase = async (url: string): Promise<FrailDatabase> => {
  const sockets = new Set<Socket>()
  let isCut = false
  let isFrozen = false
  const hold = (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => socket.destroy())
    socket.on('close', () => sockets.delete(socket))
    if (isFrozen) socket.pause()
  }
  const server = createServer((outer) => {
    if (isCut) return void outer.destroy()
    const inner = dialPostgres(url)
    for (const socket of [outer, inner]) hold(socket)
    for (const [from, to] of [
      [outer, inner],
      [inner, outer],
    ] as const) {
      from.on('data', (bytes) => to.write(bytes))
      from.on('close', () => to.destroy())
      if (isFrozen) from.pause()
    }
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const door = new URL(url)
  door.hostname = '127.0.0.1'
  door.port = String((server.address() as AddressInfo).port)
  return {
    url: door.href,
    cut() {
      isCut = true
      for (const socket of sockets) socket.destroy()
    },
    freeze() {
      isFrozen = true
      for (const socket of sockets) socket.pause()
    },
    heal() {
      isCut = false
      isFrozen = false
      for (const socket of sockets) socket.resume()
    },
    async close() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}
