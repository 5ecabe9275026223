import { Agent, request } from 'undici'
import { pause } from '../../../src/lib/time.ts'
import { adminToken } from './site.ts'

/** A call of the gateway that a client saw complete, and the words it saw. */
export interface SeenCall {
  id: string
  text: string
  /** `x-jetty-record`. */
  record: string
}

/** Clients that call the gateway without a pause, half of the calls streamed, and remember what they saw complete. */
export interface GatewayLoad {
  complete: SeenCall[]
  /** Answers of another status, by it; 0 stands for a connection that broke. */
  others: Map<number, number>
  stop(): Promise<void>
}

/** Whoever finds no server asks again after this. */
const brokenPauseMs = 50

const wordsOfStream = (text: string): string | undefined => {
  if (!text.endsWith('data: [DONE]\n\n')) return undefined
  const chunks = text.split('\n\n').filter((event) => event.startsWith('data: {'))
  return chunks.map((chunk) => JSON.parse(chunk.slice(6)).choices[0]?.delta.content ?? '').join('')
}

/**
 * `url` is asked for before each call: a server that is started again is elsewhere. A client pauses for `pauseMs` after
 * each call; without it the load takes all the CPU that it gets.
 */
export const loadGateway = (
  url: () => string,
  options: { clients: number; collection: string; pauseMs?: number | undefined },
): GatewayLoad => {
  const complete: SeenCall[] = []
  const others = new Map<number, number>()
  const agent = new Agent({ connections: options.clients, headersTimeout: 30_000 })
  const name = Math.random().toString(36).slice(2)
  let isStopped = false
  let calls = 0

  const one = async (): Promise<void> => {
    const stream = ++calls % 2 === 0
    const content = `${name} call ${calls} of many`
    const answer = await request(`${url()}/v1/chat/completions`, {
      method: 'POST',
      dispatcher: agent,
      headers: {
        authorization: `Bearer ${adminToken}`,
        'content-type': 'application/json',
        'x-jetty-collection': options.collection,
      },
      body: JSON.stringify({ model: 'gpt-4o-mini', messages: [{ role: 'user', content }], stream }),
    })
    const text = await answer.body.text()
    const said = answer.statusCode !== 200 ? undefined : stream ? wordsOfStream(text) : wordsOf(text)
    if (said === undefined) return count(answer.statusCode)
    const { 'x-jetty-trajectory-id': id, 'x-jetty-record': record } = answer.headers
    complete.push({ id: String(id), text: said, record: String(record) })
  }

  const count = (status: number) => void others.set(status, (others.get(status) ?? 0) + 1)

  const client = async () => {
    while (!isStopped) {
      const broke = await one().then(
        () => false,
        () => true,
      )
      if (broke) count(0)
      const pauseMs = broke ? brokenPauseMs : options.pauseMs
      if (pauseMs) await pause(pauseMs)
    }
  }
  const clients = Array.from({ length: options.clients }, client)
  return {
    complete,
    others,
    async stop() {
      isStopped = true
      await Promise.all(clients)
      await agent.destroy()
    },
  }
}

const wordsOf = (text: string): string => JSON.parse(text).choices[0].message.content
