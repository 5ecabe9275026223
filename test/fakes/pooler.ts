import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { dialPostgres } from '../database-server.ts'

/** What PgBouncer takes at a startup unless it is configured otherwise; it refuses every other parameter. */
const accepted = [
  'user',
  'database',
  'application_name',
  'client_encoding',
  'DateStyle',
  'TimeZone',
  'standard_conforming_strings',
]

const message = (type: string, body: Buffer | string): Buffer => {
  const bytes = Buffer.from(body)
  const head = Buffer.alloc(5)
  head.write(type, 0)
  head.writeInt32BE(bytes.length + 4, 1)
  return Buffer.concat([head, bytes])
}
const refusal = (name: string): Buffer =>
  message('E', `SFATAL\0VFATAL\0C08P01\0Munsupported startup parameter: ${name}\0\0`)
const ready = message('Z', 'I')
const key = message('K', Buffer.from([0, 0, 0, 1, 0, 0, 0, 1])) // a process id that is no server's

/** The parameters of a startup packet. */
const parametersOf = (packet: Buffer): string[] =>
  packet
    .subarray(8)
    .toString()
    .split('\0')
    .filter((_, at) => at % 2 === 0)
    .filter(Boolean)

export interface FakePooler {
  url: string
  close(): Promise<void>
}

/** One row with the process id that all clients share. */
const pidRow = Buffer.concat([
  message(
    'T',
    Buffer.concat([
      Buffer.from([0, 1]),
      Buffer.from('pid\0'),
      Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 0, 23, 0, 4, 255, 255, 255, 255, 0, 0]),
    ]),
  ),
  message('D', Buffer.from([0, 1, 0, 0, 0, 2, 52, 50])),
])

/** Answers by itself, as where one server process serves a statement of each client in turn. */
const answerShared = (socket: Socket): void => {
  socket.write(Buffer.concat([message('R', Buffer.from([0, 0, 0, 0])), key, ready]))
  socket.on('data', (bytes) => {
    const text = bytes.toString()
    if (!text.startsWith('Q')) return
    socket.write(Buffer.concat([...(text.includes('pg_backend_pid') ? [pidRow] : []), message('C', 'OK\0'), ready]))
  })
}

/** Passes everything on to one server process, but for the key of the connection, which it makes up. */
const passOn = (socket: Socket, startup: Buffer, url: string): void => {
  const inner = dialPostgres(url)
  inner.on('error', () => socket.destroy())
  inner.on('close', () => socket.destroy())
  socket.on('close', () => inner.destroy())
  inner.write(startup)
  socket.on('data', (bytes) => inner.write(bytes))
  let hasKey = false
  inner.on('data', (bytes) => {
    const at = hasKey ? -1 : bytes.indexOf(Buffer.from([75, 0, 0, 0, 12])) // BackendKeyData
    if (at >= 0) {
      hasKey = true
      key.copy(bytes, at)
    }
    socket.write(bytes)
  })
}

/** As PgBouncer in front of the database of `url`. */
export const openFakePooler = async (url: string, mode: 'session' | 'transaction'): Promise<FakePooler> => {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => socket.destroy())
    socket.on('close', () => sockets.delete(socket))
    socket.once('data', (startup) => {
      const unknown = parametersOf(startup).find((name) => !accepted.includes(name))
      if (unknown) return void socket.end(refusal(unknown))
      if (mode === 'transaction') answerShared(socket)
      else passOn(socket, startup, url)
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const door = new URL(url)
  door.hostname = '127.0.0.1'
  door.port = String((server.address() as AddressInfo).port)
  return {
    url: door.href,
    async close() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}
