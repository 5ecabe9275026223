import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { wholeBody } from '../whole-body.ts'

export interface Asked {
  method: string
  path: string
  headers: IncomingHttpHeaders
  // biome-ignore lint/suspicious/noExplicitAny: a test says what it expects of a body by asserting on it
  body: any
  /** The body as it came. */
  text: string
  bytes: Buffer
  /** Whether whoever asked left before the answer was sent. */
  isAborted: boolean
}

/** How one request is answered instead of with a completion. */
export interface Script {
  status?: number
  headers?: Record<string, string>
  /** A text or bytes as they are, anything else as JSON. */
  body?: unknown
  /** Before the first byte. */
  delayMs?: number
  /** Sends so many bytes of the body, announces all, and breaks the connection. */
  cutAfterBytes?: number
  /** Sends so many bytes and nothing after. */
  stallAfterBytes?: number
  /** Sends the body in pieces of so many bytes, without announcing its length. */
  pieceBytes?: number
  /** Between two pieces. */
  pauseMs?: number
}

export interface FakeOpenAi {
  /** Its base URL, with /v1. */
  url: string
  port: number
  asked: Asked[]
  /** How much of the bodies that were sent in pieces has left. */
  sentBytes(): number
  /** What the next requests get, one after the other; then completions again. */
  script(...scripts: Script[]): void
  /** Chooses for each request that finds no script; `turn` counts those of the same body, from 1. Undefined: a completion. */
  choose(script: ((body: Asked['body'], turn: number) => Script | undefined) | undefined): void
  /** What a completion says; the last user message, in words, where it was not set. */
  say(reply: string | ((body: Asked['body']) => string)): void
  close(): Promise<void>
}

const lastWords = (body: Asked['body']): string => {
  const content = body?.messages?.at(-1)?.content
  return typeof content === 'string' ? `You said: ${content}` : 'You showed me something.'
}

/** A chat completion as OpenAI sends it. */
export const completion = (model: string, content: string, more: Record<string, unknown> = {}) => ({
  id: 'chatcmpl-fake-1',
  object: 'chat.completion',
  created: 1_790_000_000,
  model: `${model}-2026-01-01`,
  choices: [
    { index: 0, message: { role: 'assistant', content, refusal: null }, logprobs: null, finish_reason: 'stop' },
  ],
  usage: {
    prompt_tokens: 1000,
    completion_tokens: 100,
    total_tokens: 1100,
    prompt_tokens_details: { cached_tokens: 0 },
    completion_tokens_details: { reasoning_tokens: 0 },
  },
  ...more,
})

/** The events of a streamed completion as OpenAI sends them, a word each; the last of them states the usage. */
export const eventStream = (model: string, content: string, more: Record<string, unknown> = {}): string =>
  streamOf(model, content, true, more)

const streamOf = (model: string, content: string, withUsage: boolean, more: Record<string, unknown> = {}): string => {
  const event = (delta: object, reason: string | null = null) => ({
    id: 'chatcmpl-fake-1',
    object: 'chat.completion.chunk',
    created: 1_790_000_000,
    model: `${model}-2026-01-01`,
    choices: [{ index: 0, delta, logprobs: null, finish_reason: reason }],
    ...(withUsage && { usage: null }),
    ...more,
  })
  const words = content.split(/(?<= )/).map((word) => event({ content: word }))
  const usage = { ...event({}), choices: [], usage: completion(model, content).usage }
  const events = [event({ role: 'assistant', content: '' }), ...words, event({}, 'stop'), ...(withUsage ? [usage] : [])]
  return [...events.map((one) => JSON.stringify(one)), '[DONE]'].map((data) => `data: ${data}\n\n`).join('')
}

export const eventStreamType = { 'content-type': 'text/event-stream; charset=utf-8' }

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

const sendPieces = async (
  response: ServerResponse,
  bytes: Buffer,
  script: Script,
  sent: (size: number) => void,
): Promise<void> => {
  const size = script.pieceBytes ?? bytes.length
  response.socket?.setNoDelay(true)
  for (let at = 0; at < bytes.length && !response.destroyed; at += size) {
    const more = response.write(bytes.subarray(at, at + size))
    sent(size)
    await (script.pauseMs ? pause(script.pauseMs) : more ? null : once(response, 'drain').catch(() => {}))
    if (at % 64 === 0) await pause(0)
  }
  response.end()
}

const bytesOf = (body: unknown): Buffer =>
  body instanceof Buffer ? body : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body ?? {}))

const send = (response: ServerResponse, script: Script, sent: (size: number) => void): void => {
  const bytes = bytesOf(script.body)
  const isStream = script.headers?.['content-type']?.startsWith('text/event-stream')
  response.writeHead(script.status ?? 200, {
    'content-type': 'application/json',
    ...(isStream || script.pieceBytes ? {} : { 'content-length': String(bytes.length) }),
    ...script.headers,
  })
  if (script.pieceBytes) return void sendPieces(response, bytes, script, sent)
  const part = script.cutAfterBytes ?? script.stallAfterBytes
  if (part === undefined) response.end(bytes)
  else if (part > 0)
    response.write(bytes.subarray(0, part), () => script.cutAfterBytes !== undefined && response.destroy())
  else {
    response.flushHeaders()
    if (script.cutAfterBytes !== undefined) setTimeout(() => response.destroy(), 5)
  }
}

/** An OpenAI on a real socket: it answers chat completions, and does what it is told to. */
export const startFakeOpenAi = async (): Promise<FakeOpenAi> => {
  const asked: Asked[] = []
  const scripts: Script[] = []
  let sentBytes = 0
  const sent = (size: number) => {
    sentBytes += size
  }
  let choose: Parameters<FakeOpenAi['choose']>[0]
  let reply: string | ((body: Asked['body']) => string) = lastWords
  const server = createServer(async (request, response) => {
    const bytes = await wholeBody(request)
    if (!bytes) return
    const text = bytes.toString()
    const isForm = request.headers['content-type']?.startsWith('multipart/') ?? false
    const body = isForm ? null : JSON.parse(text || 'null')
    const { method = '', url: path = '', headers } = request
    const one = { method, path, headers, body, text, bytes, isAborted: false }
    asked.push(one)
    response.on('close', () => {
      one.isAborted = !response.writableFinished
    })
    const turn = asked.filter((other) => other.text === text).length
    const script = scripts.shift() ?? choose?.(body, turn) ?? {}
    if (script.delayMs) await new Promise((resolve) => setTimeout(resolve, script.delayMs))
    const said = typeof reply === 'string' ? reply : reply(body)
    const model = body?.model ?? 'none'
    if (body?.stream !== true) return send(response, { body: completion(model, said), ...script }, sent)
    const withUsage = body.stream_options?.include_usage === true
    send(response, { headers: eventStreamType, body: streamOf(model, said, withUsage), ...script }, sent)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}/v1`,
    port,
    asked,
    sentBytes: () => sentBytes,
    script: (...more) => void scripts.push(...more),
    choose: (next) => {
      choose = next
    },
    say: (next) => {
      reply = next
    },
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
