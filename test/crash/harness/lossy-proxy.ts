import { once } from 'node:events'
import { type AddressInfo, createServer, connect as dial, type Socket } from 'node:net'

/** A proxy before a server that cuts connections: before the request arrives, or before its answer does. */
export interface LossyProxy {
  url: string
  /** Connections that were cut so far. */
  readonly cut: number
  close(): void
}

/** Cuts about this share of the connections, half of them on either way, and delays the rest by up to `delayMs`. */
export const startLossyProxy = async (
  target: string,
  { share, delayMs, random }: { share: number; delayMs: number; random: () => number },
): Promise<LossyProxy> => {
  const { hostname, port } = new URL(target)
  const sockets = new Set<Socket>()
  let cut = 0
  const server = createServer((client) => {
    const upstream = dial(Number(port), hostname)
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        sockets.delete(socket)
        client.destroy()
        upstream.destroy()
      })
    }
    const end = () => {
      cut++
      client.destroy()
      upstream.destroy()
    }
    const draw = random()
    const [losesRequest, losesAnswer] = [draw < share / 2, draw >= share / 2 && draw < share]
    client.on('data', (bytes) => {
      if (losesRequest) end()
      else setTimeout(() => upstream.write(bytes), random() * delayMs)
    })
    upstream.on('data', (bytes) => {
      if (losesAnswer) end()
      else client.write(bytes)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get cut() {
      return cut
    },
    close() {
      server.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}
