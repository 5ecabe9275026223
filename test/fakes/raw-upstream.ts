import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'

/** Answers one request on a socket, byte by byte as it likes. */
export type RawAnswerer = (socket: Socket) => void

/** A provider that need not keep to HTTP. */
export interface RawUpstream {
  /** Its base URL, with /v1. */
  url: string
  /** Sockets that were asked something and are still open. */
  open(): number
  /** How many requests arrived. */
  asked(): number
  /** Who answers the next requests. */
  answer(next: RawAnswerer): void
  close(): Promise<void>
}

const lengthOf = (head: string): number => Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0)

export const startRawUpstream = async (): Promise<RawUpstream> => {
  const busy = new Set<Socket>()
  let asked = 0
  let answerer: RawAnswerer = (socket) => void socket.end()
  const server = createServer((socket) => {
    let got = Buffer.alloc(0)
    socket.on('error', () => socket.destroy())
    socket.on('close', () => busy.delete(socket))
    socket.on('data', (chunk) => {
      got = Buffer.concat([got, chunk])
      const end = got.indexOf('\r\n\r\n')
      if (end < 0) return
      const length = lengthOf(got.toString('latin1', 0, end))
      if (got.length < end + 4 + length) return
      got = got.subarray(end + 4 + length)
      asked++
      busy.add(socket)
      answerer(socket)
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}/v1`,
    open: () => busy.size,
    asked: () => asked,
    answer: (next) => {
      answerer = next
    },
    async close() {
      for (const socket of busy) socket.destroy()
      server.close()
    },
  }
}
