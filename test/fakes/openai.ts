import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Asked {
  method: string
  path: string
  headers: IncomingHttpHeaders
  // biome-ignore lint/suspicious/noExplicitAny: a test says what it expects of a body by asserting on it
  body: any
}

/** How one request is answered instead of with a completion. */
export interface Script {
  status?: number
  headers?: Record<string, string>
  /** A text as it is, anything else as JSON. */
  body?: unknown
  /** Before the first byte. */
  delayMs?: number
  /** Sends so many bytes of the body, announces all, and breaks the connection. */
  cutAfterBytes?: number
  /** Sends so many bytes and nothing after. */
  stallAfterBytes?: number
}

export interface FakeOpenAi {
  /** Its base URL, with /v1. */
  url: string
  port: number
  asked: Asked[]
  /** What the next requests get, one after the other; then completions again. */
  script(...scripts: Script[]): void
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

const send = (response: ServerResponse, script: Script): void => {
  const text = typeof script.body === 'string' ? script.body : JSON.stringify(script.body ?? {})
  const bytes = Buffer.from(text)
  response.writeHead(script.status ?? 200, {
    'content-type': 'application/json',
    'content-length': String(bytes.length),
    ...script.headers,
  })
  const part = script.cutAfterBytes ?? script.stallAfterBytes
  if (part === undefined) response.end(bytes)
  else response.write(bytes.subarray(0, part), () => script.cutAfterBytes !== undefined && response.destroy())
}

/** An OpenAI on a real socket: it answers chat completions, and does what it is told to. */
export const startFakeOpenAi = async (): Promise<FakeOpenAi> => {
  const asked: Asked[] = []
  const scripts: Script[] = []
  let reply: string | ((body: Asked['body']) => string) = lastWords
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const body = JSON.parse(Buffer.concat(chunks).toString() || 'null')
    asked.push({ method: request.method ?? '', path: request.url ?? '', headers: request.headers, body })
    const script = scripts.shift() ?? {}
    if (script.delayMs) await new Promise((resolve) => setTimeout(resolve, script.delayMs))
    const said = typeof reply === 'string' ? reply : reply(body)
    send(response, { body: completion(body?.model ?? 'none', said), ...script })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}/v1`,
    port,
    asked,
    script: (...more) => void scripts.push(...more),
    say: (next) => {
      reply = next
    },
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
