import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { wholeBody } from './whole-body.ts'

/** One POST, as it came. */
export interface Received {
  path: string
  headers: IncomingHttpHeaders
  body: Buffer
}

export interface WebhookReceiver {
  url: string
  /** Everything that came, oldest first. */
  received: Received[]
  /** What came for one run. */
  of(trajectoryId: string): Received[]
  close(): void
}

/** How a receiver answers the nth POST of a run, from 1; by default with 204. */
export type Answering = (answer: ServerResponse, n: number, request: IncomingMessage) => void

/** A server that webhooks are sent to; it counts what comes. */
export const startReceiver = async (answering: Answering = (answer) => answer.writeHead(204).end()) => {
  const received: Received[] = []
  const of = (id: string) => received.filter(({ headers }) => headers['x-jetty-trajectory-id'] === id)
  const server = createServer(async (request, answer) => {
    const body = await wholeBody(request)
    if (!body) return
    received.push({ path: request.url ?? '', headers: request.headers, body })
    answering(answer, of(String(request.headers['x-jetty-trajectory-id'])).length, request)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const receiver: WebhookReceiver = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received,
    of,
    close() {
      server.close()
      server.closeAllConnections()
    },
  }
  return receiver
}
