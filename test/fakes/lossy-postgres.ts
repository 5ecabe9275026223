import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { dialPostgres } from '../database-server.ts'

/** A proxy before PostgreSQL that loses answers to statements that were committed. */
export interface LossyPostgres {
  url: string
  /**
   * Loses the answers to statements or transactions with a text that matches, and cuts their connections: the next `times`
   * of them for which `draw` says so.
   */
  lose(text: RegExp, times: number, draw?: () => boolean): void
  /** Answers lost so far. */
  readonly lost: number
  close(): Promise<void>
}

/** Splits the bytes of one direction into messages. The first message of a client has no type. */
const makeReader = (hasStartup: boolean) => {
  let rest: Buffer = Buffer.alloc(0)
  let isStartup = hasStartup
  return (bytes: Buffer): { type: string; body: Buffer }[] => {
    const messages: { type: string; body: Buffer }[] = []
    rest = Buffer.concat([rest, bytes])
    for (;;) {
      const head = isStartup ? 0 : 1
      if (rest.length < head + 4) return messages
      const length = head + rest.readInt32BE(head)
      if (rest.length < length) return messages
      messages.push({
        type: isStartup ? '' : String.fromCharCode(rest[0] ?? 0),
        body: rest.subarray(head + 4, length),
      })
      isStartup = false
      rest = rest.subarray(length)
    }
  }
}

/** The texts that one connection executes: prepared statements are known by their names. */
const makeTexts = () => {
  const prepared = new Map<string, string>()
  const read = makeReader(true)
  return (bytes: Buffer): string[] =>
    read(bytes).flatMap(({ type, body }) => {
      const [first = '', second = ''] = body.toString('latin1').split('\0')
      if (type === 'Q') return [first]
      if (type === 'P') prepared.set(first, second)
      return type === 'B' ? [prepared.get(second) ?? ''] : []
    })
}

export const openLossyPostgres = async (url: string): Promise<LossyPostgres> => {
  const sockets = new Set<Socket>()
  let wanted = /$^/
  let left = 0
  let isDrawn = (): boolean => true
  let lost = 0
  const server = createServer((socket) => {
    const inner = dialPostgres(url)
    const textsOf = makeTexts()
    const answersOf = makeReader(false)
    let isDoomed = false
    for (const one of [socket, inner]) {
      sockets.add(one)
      one.on('error', () => {})
      one.on('close', () => {
        sockets.delete(one)
        socket.destroy()
        inner.destroy()
      })
    }
    socket.on('data', (bytes) => {
      if (textsOf(bytes).some((text) => wanted.test(text)) && left > 0) isDoomed = true
      inner.write(bytes)
    })
    inner.on('data', (bytes) => {
      // ReadyForQuery with `I`: no transaction is open any more, so what was sent is committed.
      const isCommitted = answersOf(bytes).some(({ type, body }) => type === 'Z' && body.toString() === 'I')
      const isLost = isDoomed && isCommitted && left > 0 && isDrawn()
      if (isCommitted) isDoomed = false
      if (!isLost) return void socket.write(bytes)
      left--
      lost++
      socket.destroy()
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const door = new URL(url)
  door.hostname = '127.0.0.1'
  door.port = String((server.address() as AddressInfo).port)
  return {
    url: door.href,
    lose(text, times, draw = () => true) {
      wanted = text
      left = times
      isDrawn = draw
    },
    get lost() {
      return lost
    },
    async close() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}
