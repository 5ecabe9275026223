import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { wholeBody } from '../whole-body.ts'

export interface WireAsked {
  method: string
  path: string
  headers: IncomingHttpHeaders
  // biome-ignore lint/suspicious/noExplicitAny: a test says what it expects of a body by asserting on it
  body: any
}

export interface WireReply {
  status?: number
  headers?: Record<string, string>
  body: string | Buffer
}

/** What the transport does to the next answer, or what is answered in its place. */
export interface WireScript extends Partial<WireReply> {
  /** Before the first byte. */
  delayMs?: number
  /** So many bytes, and then the connection breaks. */
  cutAfterBytes?: number
  /** So many bytes, and then an end as if it were whole. */
  endAfterBytes?: number
  /** So many bytes, and nothing after. */
  stallAfterBytes?: number
  /** Each byte on its own. */
  byteByByte?: boolean
}

export interface WireServer {
  /** Where it listens, without a path. */
  url: string
  asked: WireAsked[]
  /** What happens to the next answers, one after the other. */
  script(...scripts: WireScript[]): void
  /** Forgets what did not happen. */
  unscript(): void
  /** Settles when the connection of an answer was closed before its end. */
  leftEarly(): Promise<void>
  close(): Promise<void>
}

const send = async (response: ServerResponse, reply: WireReply, script: WireScript): Promise<void> => {
  const bytes = Buffer.from(reply.body)
  response.writeHead(reply.status ?? 200, reply.headers)
  const part = script.cutAfterBytes ?? script.endAfterBytes ?? script.stallAfterBytes
  if (script.byteByByte) {
    response.socket?.setNoDelay(true)
    for (const byte of bytes) {
      response.write(Buffer.from([byte]))
      await new Promise((resolve) => setImmediate(resolve))
    }
    response.end()
  } else if (part === undefined) response.end(bytes)
  else if (script.endAfterBytes !== undefined) response.end(bytes.subarray(0, part))
  else {
    response.flushHeaders()
    response.write(bytes.subarray(0, part), () => script.cutAfterBytes !== undefined && response.destroy())
  }
}

/** A server on a real socket: what it says is made by `answer`, and what becomes of it on the way by scripts. */
export const startWireServer = async (answer: (asked: WireAsked) => WireReply): Promise<WireServer> => {
  const asked: WireAsked[] = []
  const scripts: WireScript[] = []
  let noteLeft = () => {}
  const server = createServer(async (request, response) => {
    response.on('close', () => !response.writableFinished && noteLeft())
    const sent = await wholeBody(request)
    if (!sent) return
    const { method = '', url = '', headers } = request
    const one = { method, path: url, headers, body: JSON.parse(sent.toString() || 'null') }
    asked.push(one)
    const script = scripts.shift() ?? {}
    if (script.delayMs) await new Promise((resolve) => setTimeout(resolve, script.delayMs))
    await send(response, { ...answer(one), ...script } as WireReply, script)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    script: (...more) => void scripts.push(...more),
    unscript: () => void scripts.splice(0),
    leftEarly: () =>
      new Promise((resolve) => {
        noteLeft = resolve
      }),
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

export interface SaidTool {
  id: string
  name: string
  input: Record<string, unknown>
}

/** What a fake model says next, in whichever language. */
export interface Said {
  text?: string
  thought?: string
  tools?: SaidTool[]
}

/** A fake provider: what it says is set by `say`, in the words of its own wire. */
export interface FakeProvider extends WireServer {
  say(said: Said | ((asked: WireAsked) => Said)): void
}

export const json = (body: unknown, status = 200): WireReply => ({
  status,
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(body),
})

/** Server-sent events; those without a name have data alone. */
export const events = (list: { event?: string; data: unknown }[], newline = '\n'): WireReply => ({
  headers: { 'content-type': 'text/event-stream' },
  body: list
    .map(({ event, data }) =>
      [...(event === undefined ? [] : [`event: ${event}`]), `data: ${JSON.stringify(data)}`, '', ''].join(newline),
    )
    .join(''),
})

/** A text in a few pieces. */
export const pieces = (text: string): string[] => text.match(/[\s\S]{1,7}/g) ?? []

/** A fake that answers with `reply` whatever was last set to be said. */
export const startFakeProvider = async (reply: (asked: WireAsked, said: Said) => WireReply): Promise<FakeProvider> => {
  let said: Said | ((asked: WireAsked) => Said) = { text: 'Grüße aus dem Süden 🌞' }
  const server = await startWireServer((asked) => reply(asked, typeof said === 'function' ? said(asked) : said))
  return {
    ...server,
    say: (next) => {
      said = next
    },
  }
}
