import { createConnection, type Socket } from 'node:net'

/** Clients that send most of a large body to the gateway and then hold it open. */
export interface HeldBodies {
  /** Status of each answer that came all the same; 0 stands for a connection that was cut. */
  answers: Map<number, number>
  /** How many are held open now. */
  readonly open: number
  stop(): void
}

const againAfterMs = 1_000

/** `url` is asked for before each connection: a server that is started again is elsewhere. */
export const holdBodies = (
  url: () => string,
  options: { clients: number; bytes: number; token: string; collection: string },
): HeldBodies => {
  const answers = new Map<number, number>()
  const sockets = new Set<Socket>()
  const most = Buffer.alloc(options.bytes - 1024, 'x')
  let isStopped = false

  const hold = (): void => {
    if (isStopped) return
    const { hostname, port } = new URL(url())
    const socket = createConnection(Number(port), hostname)
    sockets.add(socket)
    let status = 0
    socket.write(
      `POST /v1/chat/completions HTTP/1.1\r\nHost: jetty\r\nAuthorization: Bearer ${options.token}\r\n` +
        `X-Jetty-Collection: ${options.collection}\r\nContent-Type: application/json\r\nContent-Length: ${options.bytes}\r\n\r\n` +
        '{"model":"gpt-4o-mini","messages":[{"role":"user","content":"',
    )
    socket.write(most)
    socket.on('data', (chunk) => {
      status ||= Number(/^HTTP\/1\.1 (\d+)/.exec(chunk.toString('latin1'))?.[1] ?? 0)
      socket.destroy()
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      sockets.delete(socket)
      if (isStopped) return
      answers.set(status, (answers.get(status) ?? 0) + 1)
      setTimeout(hold, againAfterMs)
    })
  }
  for (let client = 0; client < options.clients; client++) hold()
  return {
    answers,
    get open() {
      return sockets.size
    },
    stop() {
      isStopped = true
      for (const socket of sockets) socket.destroy()
    },
  }
}
